"""Compares two models in Markdown, for pull requests."""

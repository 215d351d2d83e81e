"""Removes personal data and secrets from a ticket's text."""

"""Searches for better training parameters on validation."""

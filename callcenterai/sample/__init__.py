"""Generates the sample tickets."""

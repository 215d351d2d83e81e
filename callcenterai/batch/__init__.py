"""Classifies whole files of tickets with many workers."""

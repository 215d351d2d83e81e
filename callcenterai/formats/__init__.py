"""Reads files of tickets row by row, and writes CSV."""

"""The model folder: its files, their hashes and how they are loaded safely."""

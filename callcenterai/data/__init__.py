"""Turns raw tickets into train, validation and test: the stage `prepare`."""

"""Decides what a ticket is about, or asks: scrubs personal data, asks the models, keeps what humans answer."""

"""Brings a ticket's text into the form in which models read it, in training and in serving alike."""

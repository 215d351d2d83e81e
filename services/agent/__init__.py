"""The agent: removes personal data from a ticket, asks the models, and keeps unsure tickets and people's answers."""

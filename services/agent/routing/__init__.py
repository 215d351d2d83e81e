"""Which model answers a ticket, and whether a person has to decide."""

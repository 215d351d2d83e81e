"""The agent's database: tickets, people's answers, and who is reviewing which ticket."""

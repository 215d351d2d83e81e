"""Reads and erases what the agent has stored, from outside of the running agent, which itself uses drift/ alone."""

"""Reads and erases what the agent has stored, from outside of the running agent; it shares live_figures/ alone."""

"""Figures of live tickets, for the agent and for commands: their accuracy, and whether they are like the training's."""

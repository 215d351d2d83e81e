"""Are the live tickets still like those of the training? The counts and the tests, for the agent and for the report."""

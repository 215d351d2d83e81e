"""Clients of the services that the pages ask: the agent and the MLflow registry."""

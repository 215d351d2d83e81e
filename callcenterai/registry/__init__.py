"""Decides which model version serves: stages, gates, promotion and history."""

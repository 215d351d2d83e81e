"""Decides which model version serves: stages, gates, promotion and history."""

# It sets variables that MLflow reads when it is imported, so it comes before any module here imports MLflow.
import callcenterai.tracking  # noqa: F401

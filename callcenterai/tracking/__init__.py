"""Records runs in MLflow, and manages where they are stored."""

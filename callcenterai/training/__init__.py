"""What both kinds of model share after fitting: evaluation, plots, metadata and the MLflow run."""

"""Records runs in MLflow, and manages where they are stored."""

import os

# MLflow reads MLFLOW_DISABLE_TELEMETRY when it is imported, so these are set before any module here imports it.
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # MLflow retries seven times by default, with growing pauses: minutes until "connection refused".
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Standard output is for the commands' own results.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
for _name, _value in _DEFAULTS.items():
    os.environ.setdefault(_name, _value)

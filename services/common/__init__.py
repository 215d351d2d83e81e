"""What every service has: settings, limits, keys, errors, logs, metrics, and a model that is replaced while serving."""

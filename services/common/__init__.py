"""What every service has: settings, limits, keys, errors, logs, metrics, and a model that is swapped while it serves."""

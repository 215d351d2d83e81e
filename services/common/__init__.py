"""What every service has: settings, limits, keys, errors, logs, metrics, and a model replaced while it serves."""

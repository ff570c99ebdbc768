"""What every service process stands on: settings, logs, metrics, signals, background tasks."""

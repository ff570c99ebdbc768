"""Real processes are killed, stopped and cut while people talk; then a checker goes over everything that was recorded."""

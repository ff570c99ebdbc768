"""What operators do to a real cluster, while people talk through it."""

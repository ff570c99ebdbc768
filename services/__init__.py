"""The services. Each folder is a process of its own; none imports another."""

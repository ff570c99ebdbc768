"""What the services share: ports with their adapters, and the runtime that every process stands on."""

"""How many people a system of containers carries, and what becomes of them when containers are killed and stopped."""

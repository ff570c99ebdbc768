"""The SDK and the `tertulia` command against the real services."""

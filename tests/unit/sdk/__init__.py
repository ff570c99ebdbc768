"""The SDK and the `tertulia` command against a gateway that does as a test tells it."""

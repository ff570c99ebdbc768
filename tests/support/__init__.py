"""What tests of several kinds use: servers to run against, and the stack as a user starts it."""

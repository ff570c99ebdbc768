"""Whole stories through the public SDK and the command, against the stack as a user starts it."""

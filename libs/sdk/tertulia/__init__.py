"""Tertulia: in-app messaging. The Python SDK."""

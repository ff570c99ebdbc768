"""The two distributions, as somebody gets them who has no checkout."""

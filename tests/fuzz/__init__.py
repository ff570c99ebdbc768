"""What nobody would send, made from the descriptors and sent to a running stack: `python -m tests.fuzz --minutes 5`.

`inputs` makes it, `targets` sends it and says what an answer may be, `rounds` has everything attacked in turn. CI does a few
seconds of it, always the same (tests/e2e/security/test_fuzz.py).
"""

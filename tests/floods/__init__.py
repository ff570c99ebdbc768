"""The gateway under each sort of flood: what it takes of memory, CPU and connections before, during and after, and whether honest
clients are served meanwhile. `python -m tests.floods` prints a table; the suite's tests of single limits are in `tests/integration/http2`.
"""

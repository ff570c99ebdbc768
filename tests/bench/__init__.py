"""Measures what Tertulia costs and how fast it is: `python -m tests.bench` (`make bench`); see docs/performance.md.

A run starts `tertulia serve` on fresh data and then, row by row, a load generator in a process of its own, which speaks the
public API and reads the CPU time of the servers itself, just before its first and just after its last message.
"""

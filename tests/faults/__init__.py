"""Real processes are killed, stopped, cut off and lied to while people talk; then a checker goes over everything recorded.

`runs` is one run, of a `stack` that `building` makes, a crowd that does what a workload says, and a nemesis; `operations` is
what is recorded, `checker` what judges it. `nemeses`, `cuts`, `clocks`, `disks` break things; `composed` has services made of
other parts; `stories` are told by owners on Cassandra in one process. `plans` and `breakages` are what `make faults` runs;
docs/guarantees.md says what it shows.
"""

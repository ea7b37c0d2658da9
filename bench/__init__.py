"""The benchmark: the platform and pgbench in turn, on one PostgreSQL, in one run.

`make bench`, or `LOADS=on_us_iso8583,single make bench` for some of it. Figures hold on the machine they were
taken on; the ratios are what can be compared. How it is taken: docs/benchmarks.md.
"""

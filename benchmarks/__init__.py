"""What is fast, against what: each file is ``python -m benchmarks.NAME --json FILE``."""

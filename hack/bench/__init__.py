"""The benchmark: what the operator costs, beside the least that its work can cost.

``python -m hack.bench``, or ``make bench``; docs/benchmark.md says what is measured and how.
"""

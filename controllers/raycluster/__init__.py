"""RayCluster: a head, groups of workers, and what they need to find each other.

`reconciler.py` reads observe -> plan -> act -> report.  Each policy is one file and pure: it looks
at `Observed` and returns a `Plan`; `plan.py` is the ladder that says whose turn it is when.
"""

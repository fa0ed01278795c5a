"""Builders: a cluster in our own words in, a Kubernetes manifest out.

Everything here is pure, so that a golden file per object is test enough: no client, clock, chance,
environment or log.  What differs between installations comes in as `BuildOptions`.  Nothing that is
handed in is changed; every manifest is a fresh document.
"""

"""A Kubernetes cluster for the demo and the tests; see README.md beside this file.

Promises: ``up`` leaves a cluster that answers, whatever an earlier run left behind;
nothing slow is done twice; nothing is changed before all that is missing has been named.
Needs Python alone, not the project's virtual environment.
"""

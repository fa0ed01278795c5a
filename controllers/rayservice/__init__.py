"""RayService: a Ray cluster that serves, replaced by a new one whenever its spec changes.

    observe.py      caches and Ray's answers -> a frozen `Observed`
    plan.py         Observed -> `Plan`: a state, actions, the names of the two clusters, a time
    actions.py      the closed union of actions, and each as a write
    status.py       Observed and Plan -> the status, computed afresh
    reconciler.py   runs the four in a row

The names of the active and the pending cluster stand in the status before the clusters exist; all
else is derived from the API objects, the annotations of the clusters and Ray's answers, so that a
fresh operator can go on from every moment.
"""

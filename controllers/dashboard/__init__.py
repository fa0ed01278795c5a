"""What Ray itself says and is told: its REST API, polled and written beside the work queue.

No reconcile ever waits for Ray.  `Dashboards` keeps one task a cluster that asks and remembers the
last answer, and puts the owner's key on the queue when an answer changed; what is to be submitted
is handed over and its result read in a later pass.  A Ray that hangs costs one of a bounded number
of connections, never a worker.
"""

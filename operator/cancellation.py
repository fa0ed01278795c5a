"""Whose cancellation a `CancelledError` is: ours, or that of something that we waited for.

The second kind is a failure like any other.  Uncaught it ends a task in silence: task groups and
supervisors take a cancelled task for one that was told to end.
"""

import asyncio


def is_being_cancelled() -> bool:
    """Tell whether the current task was told to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0

"""Why a key waits for its turn, and so how soon it gets one; `workqueue.py` keeps the promise."""

from enum import IntEnum


class Urgency(IntEnum):
    """A lower number is more urgent."""

    ENDING = 0
    """The object is being deleted, or gone: little work, which gives resources back."""
    ASKED = 1
    """Somebody waits for it: it was created or edited, or has never been ready yet."""
    CHANGED = 2
    """Something happened to it or to what belongs to it."""
    ROUTINE = 3
    """Nothing is known to have happened: the first list, a resync."""

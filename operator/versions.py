"""The order of resourceVersions.

They are opaque by contract, but every API server counts in integers, and a watch brings its events
in their order (KEP-5504 makes both official).
"""


def is_older(left: str, right: str) -> bool:
    """Tell whether `left` is certainly older than `right`; of what is no number nothing is certain.

    Only versions of one kind can be compared.
    """
    return left.isdecimal() and right.isdecimal() and int(left) < int(right)

"""The one error of this package.

    InvalidSpecError    what the user wrote cannot be used; retrying won't help, an edit will

Whoever catches it reports `field` and `message` in a condition and a Warning event and waits for a
change of the object.
"""


class InvalidSpecError(ValueError):
    """A manifest that breaks a rule.

    Args:
        field: path from the top of the object, e.g. `spec.workerGroupSpecs[0].groupName`.
        message: what was found and what was expected, in plain words.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message

    def under(self, prefix: str) -> "InvalidSpecError":
        """Return the same error seen from further up: `a[0]` under `spec.x` is `spec.x.a[0]`."""
        joint = "" if not self.field or self.field.startswith("[") else "."
        return InvalidSpecError(f"{prefix}{joint}{self.field}", self.message)

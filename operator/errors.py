"""Every error that the operator raises on purpose.

    RayOperatorError
    ├── KubeError              the API server refused, or could not be asked
    │   ├── Invalid            400, 422   the request is wrong; sending it again won't help
    │   ├── Unauthorized       401        even after the token was read again
    │   ├── Forbidden          403        a permission is missing (RBAC, quota, admission)
    │   │   └── NamespaceEnding               … because the namespace is being deleted
    │   ├── NotFound           404        no such object, or no such API
    │   ├── Conflict           409        the object changed meanwhile
    │   ├── AlreadyExists      409        the name is taken
    │   ├── Gone               410        the list or watch position is too old: list again
    │   ├── TooManyRequests    429        after the retries that `kube.py` allows
    │   ├── ServerError        5xx        after the retries that `kube.py` allows
    │   ├── Unreachable        -          time-out or lost connection: the outcome is unknown
    │   │   └── NotSent        -          no connection: certainly without effect
    │   └── Fenced             -          not sent: this process may no longer lead
    ├── InvalidSpecError       what the user wrote is wrong; not retried
    ├── RayUnreachableError    Ray's dashboard did not answer, or not sensibly
    └── SettingsError          a flag, the file or the environment is wrong: the process ends

Callers decide by class, never by message text.
"""

# ruff: noqa: N818 - the names are those of Kubernetes' own status reasons, which readers know

from collections.abc import Mapping


class RayOperatorError(Exception):
    """The root: whatever is not one of these is a bug."""


class KubeError(RayOperatorError):
    """The API server refused a request, or could not be asked.

    Args:
        message: in plain words, with verb and resource.
        status: the HTTP status; 0 if there was no answer.
        reason: the `reason` of Kubernetes' Status object, or "".
        retry_after_seconds: what the server asked for, else `None`.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        reason: str = "",
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


class Invalid(KubeError):
    """400 or 422: the API server's validation refused the object; the message names the field."""


class Unauthorized(KubeError):
    """401, although the credentials were read again."""


class Forbidden(KubeError):
    """403: RBAC lacks a verb or resource, a quota is used up, or admission said no."""


class NamespaceEnding(Forbidden):
    """403: nothing is created any more, because the namespace is being deleted."""


class NotFound(KubeError):
    """404: no such object, or the kind's API is not served."""


class Conflict(KubeError):
    """409: the object changed since it was read, or a precondition such as the UID failed."""


class AlreadyExists(KubeError):
    """409 on a create: an object of that name is there."""


class Gone(KubeError):
    """410: the resource version or the `continue` token is too old."""


class TooManyRequests(KubeError):
    """429: the server sheds load, or a disruption budget refuses an eviction."""


class ServerError(KubeError):
    """5xx: the server or something behind it (etcd, a webhook) failed."""


class Unreachable(KubeError):
    """No answer: whether the request took effect is unknown."""


class NotSent(Unreachable):
    """No connection came about: the request certainly had no effect."""


class Fenced(KubeError):
    """A write was held back because the leadership's renew deadline has passed."""


class InvalidSpecError(RayOperatorError):
    """What the user wrote cannot work; the object waits for an edit, not for a retry.

    Args:
        field: the path, e.g. `spec.headGroupSpec.template.spec.containers`.
        message: what was expected, in plain words.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class RayUnreachableError(RayOperatorError):
    """Ray's dashboard did not answer, or its answer makes no sense."""


class SettingsError(RayOperatorError):
    """A flag, the configuration file or the environment is wrong; the message says which."""


def is_outcome_unknown(error: Exception) -> bool:
    """Tell whether a write that ended in `error` may have taken effect all the same.

    A 5xx counts: etcd's answer may have been lost after it had written.
    """
    return isinstance(error, Unreachable | ServerError) and not isinstance(error, NotSent)


_BY_REASON: Mapping[str, type[KubeError]] = {
    "AlreadyExists": AlreadyExists,
    "Expired": Gone,
    "Gone": Gone,
    "NamespaceTerminating": NamespaceEnding,
}
_BY_STATUS: Mapping[int, type[KubeError]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
}
_SERVER_SIDE = 500


def kube_error_class(status: int, *reasons: str) -> type[KubeError]:
    """Return the class for an HTTP status and the reasons of a Status object (a reason wins)."""
    named = (_BY_REASON[reason] for reason in reasons if reason in _BY_REASON)
    if found := next(named, None) or _BY_STATUS.get(status):
        return found
    return ServerError if status >= _SERVER_SIDE else KubeError

"""How talking to Ray fails.

RayUnreachableError (operator/errors.py)
└── DashboardError      no usable answer; `trouble` says of which kind; worth another try
RejectedError           Ray read the request and says no; only another request helps
"""

from enum import StrEnum

from ray_operator.operator.errors import RayOperatorError, RayUnreachableError


class Trouble(StrEnum):
    """Why there is no answer; the values are reasons of the condition DashboardReachable."""

    DNS = "DNS"
    REFUSED = "Refused"
    TIMEOUT = "Timeout"
    UNAUTHORIZED = "Unauthorized"
    NOT_FOUND = "NotFound"
    SERVER_ERROR = "ServerError"


class DashboardError(RayUnreachableError):
    """Ray gave no usable answer."""

    def __init__(self, trouble: Trouble, message: str) -> None:
        super().__init__(message)
        self.trouble = trouble
        self.message = message


class RejectedError(RayOperatorError):
    """Ray refused a request for what it says (4xx); `text` is Ray's own."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"Ray answered {status}: {text}")
        self.status = status
        self.text = text

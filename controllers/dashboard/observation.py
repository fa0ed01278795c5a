"""What is known of one cluster's Ray: its last answer, and the fate of the last submission."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from ray_operator.controllers.dashboard.errors import Trouble
from ray_operator.controllers.dashboard.reports import ProxyHealth, ServeReport


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there was no answer."""

    trouble: Trouble
    message: str


@dataclass(frozen=True, slots=True)
class Observation:
    """The outcome of one look at a cluster.

    `report` is None when Ray gave none, and then `failure` says why.  `asked_at` is when the look
    began; `answered_at` is when a look last succeeded, None if none did since we look.
    `proxies` is what the Serve proxies themselves said, by pod name.  `is_agent_silent` says that
    the agent on the head did not answer several times in a row, though the dashboard did.
    """

    asked_at: datetime
    answered_at: datetime | None = None
    report: ServeReport | None = None
    failure: Failure | None = None
    proxies: Mapping[str, ProxyHealth] = field(default_factory=dict)
    is_agent_silent: bool = False

    @property
    def is_well(self) -> bool:
        """Whether the dashboard and the agent on the head both answer."""
        return self.report is not None and not self.is_agent_silent

    def says_the_same_as(self, other: "Observation | None") -> bool:
        """Compare all but the times."""
        if other is None:
            return False
        return self == replace(other, asked_at=self.asked_at, answered_at=self.answered_at)


@dataclass(frozen=True, slots=True)
class Accepted:
    """Ray took the config; the head that took it is named, as another would not know of it."""

    config_hash: str
    head_uid: str
    head_restarts: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Refused:
    """Ray read the config and said no (4xx)."""

    config_hash: str
    head_uid: str
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Nobody knows; `retry_at` is when it is worth trying again."""

    config_hash: str
    head_uid: str
    retry_at: datetime
    failure: Failure


Outcome = Accepted | Refused | Unanswered


@dataclass(frozen=True, slots=True)
class RayView:
    """All that a reconcile may know of a cluster's Ray.

    `submitting` is the hash of the config that is under way, "" if none is.  `baseline` is the
    first report after the last accepted config: Ray may write a config in another way than it was
    sent, and only what differs from that, too, was changed by somebody.  `is_drained` says that no
    proxy of the cluster holds a request any more.
    """

    observation: Observation | None = None
    outcome: Outcome | None = None
    submitting: str = ""
    baseline: ServeReport | None = None
    is_drained: bool = False


UNSEEN = RayView()
"""Of a cluster that nobody has looked at yet."""

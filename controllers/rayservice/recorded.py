"""What is written down on a RayCluster about its Serve config.

    ray.io/serve-config             the config, canonical JSON; packed when long, absent when huge
    ray.io/serve-config-hash        the config that the cluster is to run
    ray.io/serve-config-submitted   the last one that Ray took, and which head took it

A config belongs to a cluster: while a new cluster comes up, the old one keeps the config that it
was built with, however often the operator restarts (rayservice.md 3.6).
"""

import base64
import gzip
from dataclasses import dataclass
from datetime import datetime

from ray_operator.api import annotations
from ray_operator.api.times import format_time, parse_time
from ray_operator.controllers.assigned_config import PACKED
from ray_operator.operator.documents import (
    JsonObject,
    canonical,
    decode,
    encode,
    get_int,
    get_text,
)

LONGEST_PLAIN_BYTES = 32 * 1024
"""Longer ones are packed: an object's annotations share 256 KiB."""
LONGEST_KEPT_BYTES = 128 * 1024
"""Longer ones are left out even packed: the annotation would crowd out everybody else's."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A submission that Ray took."""

    config_hash: str
    head_uid: str
    head_restarts: int
    time: datetime

    def as_text(self) -> str:
        """Write the annotation's value."""
        fields: JsonObject = {
            "hash": self.config_hash,
            "headPodUID": self.head_uid,
            "headRestarts": self.head_restarts,
            "time": format_time(self.time),
            "targetCapacity": None,
        }
        return encode(fields).decode()

    def is_of(self, head_uid: str, head_restarts: int) -> bool:
        """Tell whether this incarnation of the head took it."""
        return (self.head_uid, self.head_restarts) == (head_uid, head_restarts)


def read_submitted(text: str) -> Submitted | None:
    """Read the annotation's value; None if it is absent or was tampered with."""
    try:
        fields = decode(text)
    except ValueError:
        return None
    time = parse_time(get_text(fields, "time"))
    if time is None or not get_text(fields, "hash"):
        return None
    return Submitted(
        config_hash=get_text(fields, "hash"),
        head_uid=get_text(fields, "headPodUID"),
        head_restarts=get_int(fields, "headRestarts"),
        time=time,
    )


def assignment(config: JsonObject | None, config_hash: str) -> dict[str, str | None]:
    """Return the annotations that assign a config to a cluster; None removes one."""
    return {
        annotations.SERVE_CONFIG_HASH: config_hash,
        annotations.SERVE_CONFIG: _packed(config) if config is not None else None,
    }


def _packed(config: JsonObject) -> str | None:
    plain = canonical(config)
    if len(plain) <= LONGEST_PLAIN_BYTES:
        return plain.decode()
    # mtime 0: the same config always packs to the same text.
    packed = PACKED + base64.b64encode(gzip.compress(plain, mtime=0)).decode()
    return packed if len(packed) <= LONGEST_KEPT_BYTES else None

"""Where the API server keeps the kinds of the group `ray.io`."""

from ray_operator.api.kinds import (
    API_GROUP,
    API_VERSION,
    RAY_CLUSTER,
    RAY_CRON_JOB,
    RAY_JOB,
    RAY_SERVICE,
    Kind,
)
from ray_operator.operator.resources import Resource


def _resource(kind: Kind) -> Resource:
    return Resource(API_GROUP, API_VERSION, kind.plural, kind.name)


RAYCLUSTERS = _resource(RAY_CLUSTER)
RAYJOBS = _resource(RAY_JOB)
RAYSERVICES = _resource(RAY_SERVICE)
RAYCRONJOBS = _resource(RAY_CRON_JOB)

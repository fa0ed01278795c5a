# Made by hack/generate_models.py from hack/crds; change those and run `make generate`.

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, ConfigDict, Field
from ray_operator.api.model import Model, OpaqueObject

from . import raycluster, rayjob


class JobMetadata(Model):
    """Metadata of the jobs."""

    labels: dict[str, str] | None = None
    """Labels of the jobs."""
    annotations: dict[str, str] | None = None
    """Annotations of the jobs."""


class RayCronJobSpec(Model):
    """The job and its schedule."""

    job_template: Annotated[rayjob.RayJobSpec, Field(alias='jobTemplate')]
    """Spec of the jobs."""
    schedule: str
    """Cron schedule of five fields, or a descriptor such as @daily or @every 1h."""
    time_zone: Annotated[str | None, Field(alias='timeZone')] = None
    """IANA name of the schedule's time zone; absent is that of the operator."""
    suspend: bool | None = None
    """True makes no further jobs."""
    concurrency_policy: Annotated[
        Literal['Allow', 'Forbid', 'Replace'] | None, Field(alias='concurrencyPolicy')
    ] = None
    """What to do at a tick while a job runs; absent is Allow."""
    starting_deadline_seconds: Annotated[
        int | None, Field(alias='startingDeadlineSeconds')
    ] = None
    """A tick missed for longer than this is skipped."""
    successful_jobs_history_limit: Annotated[
        int | None, Field(alias='successfulJobsHistoryLimit')
    ] = None
    """Successful jobs to keep; absent keeps all."""
    failed_jobs_history_limit: Annotated[
        int | None, Field(alias='failedJobsHistoryLimit')
    ] = None
    """Failed jobs to keep; absent keeps all."""
    job_metadata: Annotated[JobMetadata | None, Field(alias='jobMetadata')] = None
    """Metadata of the jobs."""


class Active(Model):
    name: str | None = None
    """Name of the RayJob."""
    uid: str | None = None
    """UID of the RayJob."""


class RayCronJobStatus(Model):
    """What was observed of the schedule."""

    last_schedule_time: Annotated[
        AwareDatetime | None, Field(alias='lastScheduleTime')
    ] = None
    """Tick of the last job."""
    last_successful_time: Annotated[
        AwareDatetime | None, Field(alias='lastSuccessfulTime')
    ] = None
    """End of the last success."""
    active: list[Active] | None = None
    """Jobs that run."""
    observed_generation: Annotated[int | None, Field(alias='observedGeneration')] = None
    """The generation that this status is about."""
    conditions: list[raycluster.Condition] | None = None
    """What is true of the object, one entry a statement."""


class RayCronJob(Model):
    """A RayJob made again and again on a schedule."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
    )
    api_version: Annotated[str | None, Field(alias='apiVersion')] = None
    kind: str | None = None
    metadata: OpaqueObject | None = None
    spec: RayCronJobSpec
    """The job and its schedule."""
    status: RayCronJobStatus | None = None
    """What was observed of the schedule."""

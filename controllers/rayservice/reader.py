"""Reads the specs of RayServices, each only once, and answers for whatever they bring out."""

from ray_operator.api.problems import Problem
from ray_operator.controllers.rayservice.desired import Desired, Options, read_desired
from ray_operator.controllers.views.resource import ResourceView
from ray_operator.operator.keys import Key
from ray_operator.operator.logs import Logger, context_field

log = Logger(__name__)


class Reader:
    """Reads specs, each only once: parsing YAML takes longer than the rest of a pass.

    What was read of a service is kept until it changes or is forgotten.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._kept: dict[Key, tuple[ResourceView, Desired | Problem]] = {}

    def read(self, service: ResourceView) -> Desired | Problem:
        """Return what a RayService asks for, or the first problem of its spec."""
        known = self._kept.get(service.key)
        if known is not None and _reads_the_same(known[0], service):
            return known[1]
        try:
            desired = read_desired(service, self._options)
        except Exception as error:
            # Whatever users write is answered on the object, and what was valid before serves on.
            log.exception("a spec can't be read for an unforeseen reason")
            text = (
                f"it can't be read: {type(error).__name__}: {error}; the operator's log tells more"
            )
            desired = Problem("spec", f"{text} (reconcile_id={context_field('reconcile_id')})")
        self._kept[service.key] = service, desired
        return desired

    def forget(self, service: Key) -> None:
        """Drop what was read of a service that is gone."""
        self._kept.pop(service, None)


def _reads_the_same(old: ResourceView, new: ResourceView) -> bool:
    return (old.spec_bytes, old.annotations) == (new.spec_bytes, new.annotations)

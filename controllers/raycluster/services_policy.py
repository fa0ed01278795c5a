"""The cluster's Services, compared with the blueprint in every pass (raycluster.md 11)."""

from ray_operator.api import names
from ray_operator.controllers.manifests.services import address_differs, service_patch
from ray_operator.controllers.raycluster.actions import CreateChild, DeleteChild, UpdateChild
from ray_operator.controllers.raycluster.decision import Plan, join
from ray_operator.controllers.raycluster.observed import Observed
from ray_operator.operator.documents import JsonObject, get_object, get_text
from ray_operator.operator.notes import Note
from ray_operator.operator.resources import SERVICES


def plan_services(seen: Observed) -> Plan:
    """Decide what becomes of the Services; a foreign one of the same name is left alone."""
    wanted = {_name(manifest): manifest for manifest in seen.blueprint.services}
    plans = [_plan_one(seen, name, manifest) for name, manifest in wanted.items()]
    return join([*plans, _plan_unwanted(seen, frozenset(wanted))])


def _plan_one(seen: Observed, name: str, manifest: JsonObject) -> Plan:
    live = seen.children.services.get(name)
    if live is None:
        return Plan((CreateChild(SERVICES, manifest),))
    if live.is_terminating:
        return Plan()
    if seen.is_of_former_life(live.owner):
        # Garbage collection is about to remove it; its end brings the next pass.
        return Plan()
    if live.owner_uid != seen.uid:
        return Plan(notes=(_conflict(seen, name),))
    drift = (_headless_text(name),) if address_differs(live, manifest) else ()
    patch = service_patch(live, manifest)
    actions = () if patch is None else (UpdateChild(SERVICES, name, patch),)
    return Plan(actions, drift=drift)


def _plan_unwanted(seen: Observed, wanted: frozenset[str]) -> Plan:
    """Remove the optional Services that were switched off; the headless one stays for good."""
    cluster = seen.cluster.name
    optional = {names.dashboard_service(cluster), names.serve_service(cluster)} - wanted
    ours = (
        service
        for service in seen.children.services.values()
        if service.owner_uid == seen.uid and not service.is_terminating
    )
    return Plan(
        tuple(DeleteChild(SERVICES, s.name, s.uid) for s in ours if s.name in optional),
    )


def _conflict(seen: Observed, name: str) -> Note:
    text = (
        f"Service {seen.cluster.namespace}/{name} exists and belongs to somebody else; "
        "remove it, or rename the cluster"
    )
    return Note("Warning", "FailedToCreateService", "Create", text)


def _headless_text(name: str) -> str:
    return (
        f"Service {name}: whether it has an address of its own can't be changed; delete the Service"
    )


def _name(manifest: JsonObject) -> str:
    return get_text(get_object(manifest, "metadata"), "name")

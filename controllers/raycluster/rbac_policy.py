"""The autoscaler's ServiceAccount, Role and RoleBinding (raycluster.md 12)."""

from ray_operator.controllers.raycluster.actions import CreateChild, DeleteChild, UpdateChild
from ray_operator.controllers.raycluster.decision import Plan, join
from ray_operator.controllers.raycluster.observed import Observed
from ray_operator.controllers.views.child import ChildView
from ray_operator.operator.documents import JsonObject, JsonValue, canonical
from ray_operator.operator.resources import ROLEBINDINGS, ROLES, SERVICEACCOUNTS, Resource


def plan_rbac(seen: Observed) -> Plan:
    """Decide what becomes of the three objects: made with the autoscaler, gone without it."""
    wanted, live = seen.blueprint, seen.children
    return join(
        [
            _plan_one(seen, SERVICEACCOUNTS, live.account, wanted.account, ()),
            _plan_one(seen, ROLES, live.role, wanted.role, ("rules",)),
            # roleRef is immutable, and never differs: its name is the binding's own.
            _plan_one(seen, ROLEBINDINGS, live.binding, wanted.binding, ("subjects",)),
        ],
    )


def _plan_one(
    seen: Observed,
    resource: Resource,
    live: ChildView | None,
    wanted: JsonObject | None,
    compared: tuple[str, ...],
) -> Plan:
    if wanted is None:
        return _plan_removal(seen, resource, live)
    if live is None:
        return Plan((CreateChild(resource, wanted),))
    patch = _difference(live, wanted, compared)
    if live.owner_uid != seen.uid or not patch:
        return Plan()
    return Plan((UpdateChild(resource, live.name, patch),))


def _plan_removal(seen: Observed, resource: Resource, live: ChildView | None) -> Plan:
    if live is None or live.owner_uid != seen.uid:
        return Plan()
    return Plan((DeleteChild(resource, live.name, live.uid),))


def _difference(
    live: ChildView,
    wanted: JsonObject,
    compared: tuple[str, ...],
) -> dict[str, JsonValue]:
    body = live.body()
    return {
        key: wanted[key] for key in compared if canonical(body.get(key)) != canonical(wanted[key])
    }

"""Which changes somebody waits for."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from ray_operator.controllers.urgency import urgency_for, urgency_of
from ray_operator.controllers.views.resource import ResourceView
from ray_operator.operator.urgency import Urgency
from support.builders import a_cluster, a_view

READY = "RayClusterProvisioned"
NEW = a_view(a_cluster())
DONE = replace(NEW, phase=f"HeadPodReady,{READY}")
ENDING = replace(DONE, deleted=datetime(2026, 1, 1, tzinfo=UTC))


@dataclass(frozen=True)
class Case:
    old: ResourceView | None
    new: ResourceView | None
    want: Urgency
    is_first_list: bool = False


CASES = {
    "it was created": Case(None, NEW, Urgency.ASKED),
    "it is not ready yet": Case(NEW, NEW, Urgency.ASKED),
    "it was created while nobody looked": Case(None, NEW, Urgency.ASKED, is_first_list=True),
    "it was edited": Case(DONE, replace(DONE, generation=99), Urgency.ASKED),
    "its state changed": Case(replace(DONE, phase=READY), DONE, Urgency.CHANGED),
    "it became ready": Case(NEW, DONE, Urgency.CHANGED),
    "it stands in the first list": Case(None, DONE, Urgency.ROUTINE, is_first_list=True),
    "it is being deleted": Case(DONE, ENDING, Urgency.ENDING),
    "it was being deleted while nobody looked": Case(
        None, ENDING, Urgency.ENDING, is_first_list=True
    ),
    "it is gone": Case(ENDING, None, Urgency.ENDING),
}


@pytest.mark.parametrize("case", [pytest.param(c, id=s) for s, c in CASES.items()])
def test_a_change_of_an_object(case: Case) -> None:
    first = case.is_first_list

    assert urgency_of(case.old, case.new, ready=READY, is_first_list=first) is case.want


@pytest.mark.parametrize(
    ("owner", "is_first_list", "want"),
    [
        pytest.param(None, False, Urgency.CHANGED, id="its owner is not known"),
        pytest.param(NEW, False, Urgency.ASKED, id="its owner is not ready yet"),
        pytest.param(NEW, True, Urgency.ASKED, id="same, in the first list"),
        pytest.param(DONE, False, Urgency.CHANGED, id="its owner is ready"),
        pytest.param(DONE, True, Urgency.ROUTINE, id="same, in the first list again"),
    ],
)
def test_a_change_of_a_child(
    owner: ResourceView | None,
    is_first_list: bool,  # noqa: FBT001 - a column of the table
    want: Urgency,
) -> None:
    assert urgency_for(owner, ready=READY, is_first_list=is_first_list) is want

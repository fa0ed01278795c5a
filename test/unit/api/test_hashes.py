"""Hashes: the vectors, and what must not count."""

from collections.abc import Callable
from typing import Any

import pytest

from ray_operator.api import hashes
from ray_operator.operator.documents import JsonObject, canonical
from support.vectors import read_vectors

VECTORS = read_vectors("spec_hash")
BASE: dict[str, Any] = VECTORS["cases"][0]["spec"]


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["what"])
def test_a_spec_has_the_hash_of_the_vectors(case: dict[str, Any]) -> None:
    assert hashes.spec_hash(case["spec"], case["groups"]) == case["want"]


def test_the_canonical_form_is_that_of_the_vectors() -> None:
    identity = BASE | {"workerGroupSpecs": [_without_replicas(BASE["workerGroupSpecs"][0])]}

    made = canonical(hashes.canonical_form(identity))

    assert made.decode() == VECTORS["canonical_json_of_base"]


def _without_replicas(group: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in group.items() if not k.lower().endswith("replicas")}


def test_a_value_of_the_peer_is_never_compared() -> None:
    assert not hashes.is_comparable(VECTORS["peer_format"]["want"])
    assert hashes.is_comparable(hashes.spec_hash(BASE))


def test_start_parameters_are_equal_as_text() -> None:
    as_numbers = _with_head(rayStartParams={"num-cpus": 2, "block": True, "memory": 1e9})
    as_text = _with_head(rayStartParams={"num-cpus": "2", "block": "true", "memory": "1000000000"})

    assert hashes.spec_hash(as_numbers) == hashes.spec_hash(as_text)


def _with_head(**members: object) -> JsonObject:
    return BASE | {"headGroupSpec": BASE["headGroupSpec"] | members}


HashOfHead = Callable[[JsonObject], str]


@pytest.mark.parametrize("hash_of", [hashes.spec_hash, hashes.head_pod_hash])
def test_what_kueue_writes_into_a_template_does_not_count(hash_of: HashOfHead) -> None:
    template = BASE["headGroupSpec"]["template"]
    spec = template["spec"] | {"tolerations": [{"key": "a"}], "schedulingGates": [{"name": "b"}]}

    assert hash_of(_with_head(template=template | {"spec": spec})) == hash_of(BASE)


def test_a_false_counts_only_where_it_differs_from_absence() -> None:
    def with_automount(**members: bool) -> str:
        template = {"spec": BASE["headGroupSpec"]["template"]["spec"] | members}
        return hashes.spec_hash(_with_head(template=template))

    assert with_automount(hostPID=False) == with_automount()
    assert with_automount(automountServiceAccountToken=False) != with_automount()


def test_a_pod_hash_tells_the_pods_own_parts_and_not_the_other_groups() -> None:
    group = BASE["workerGroupSpecs"][0]
    scaled = group | {"replicas": 9}
    labelled = group | {"labels": {"a": "b"}}

    assert hashes.worker_pod_hash(BASE, group) == hashes.worker_pod_hash(BASE, scaled)
    assert hashes.worker_pod_hash(BASE, group) != hashes.worker_pod_hash(BASE, labelled)
    assert hashes.head_pod_hash(BASE | {"workerGroupSpecs": []}) == hashes.head_pod_hash(BASE)
    assert hashes.head_pod_hash(BASE | {"rayVersion": "1"}) != hashes.head_pod_hash(BASE)


def test_autoscaling_concerns_the_head_alone() -> None:
    autoscaled = BASE | {"enableInTreeAutoscaling": True}
    group = BASE["workerGroupSpecs"][0]

    assert hashes.head_pod_hash(autoscaled) != hashes.head_pod_hash(BASE)
    assert hashes.worker_pod_hash(autoscaled, group) == hashes.worker_pod_hash(BASE, group)


def test_the_operators_own_capacity_is_no_change_of_the_serve_config() -> None:
    config: JsonObject = {"applications": [{"name": "a"}]}

    assert hashes.serve_config_hash({**config, "target_capacity": 50}) == (
        hashes.serve_config_hash(config)
    )

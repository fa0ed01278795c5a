from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from ray_operator.controllers.manifests.ports import infer_ports, with_metrics_port
from ray_operator.operator.documents import JsonObject

USUAL = {
    "client": 10001,
    "dashboard": 8265,
    "dashboard-agent": 52365,
    "gcs-server": 6379,
    "metrics": 8080,
    "serve": 8000,
}


@dataclass(frozen=True)
class Case:
    """Declared container ports and parameters, and what differs from the usual six."""

    want: Mapping[str, int]
    ports: list[JsonObject] = field(default_factory=list)
    params: Mapping[str, str] = field(default_factory=dict)
    serve_port: int | None = None


CASES: dict[str, Case] = {
    "nothing is declared: Ray's own six": Case(want=USUAL),
    "seed 000: two ports without names get theirs, the others are added": Case(
        ports=[{"containerPort": 8000}, {"containerPort": 8265}],
        want=USUAL,
    ),
    "an unnamed port of no well-known number is called by it": Case(
        ports=[{"containerPort": 9999}],
        want={**USUAL, "9999-port": 9999},
    ),
    "a well-known name on another number is kept": Case(
        ports=[{"containerPort": 8888, "name": "dashboard"}],
        want={**USUAL, "dashboard": 8888},
    ),
    "an unnamed number whose name is taken elsewhere is called by its number": Case(
        ports=[{"containerPort": 8888, "name": "dashboard"}, {"containerPort": 8265}],
        want={**USUAL, "dashboard": 8888, "8265-port": 8265},
    ),
    "an old manifest's redis port is GCS's": Case(
        ports=[{"containerPort": 6379, "name": "redis"}],
        want=USUAL,
    ),
    "a taken number is not offered twice": Case(
        ports=[{"containerPort": 8000, "name": "http"}],
        want={"http": 8000, **{k: v for k, v in USUAL.items() if k != "serve"}},
    ),
    "the same number for two protocols is one port": Case(
        ports=[
            {"containerPort": 9999, "name": "a"},
            {"containerPort": 9999, "name": "b", "protocol": "UDP"},
        ],
        want={**USUAL, "a": 9999},
    ),
    "parameters move ports": Case(
        params={
            "port": "6380",
            "dashboard-port": "8266",
            "ray-client-server-port": "10002",
            "metrics-export-port": "8081",
            "dashboard-agent-listen-port": "52366",
        },
        want={
            **USUAL,
            "gcs-server": 6380,
            "dashboard": 8266,
            "client": 10002,
            "metrics": 8081,
            "dashboard-agent": 52366,
        },
    ),
    "a parameter that is no port is not believed": Case(
        params={"port": "$PORT", "dashboard-port": "0"},
        want=USUAL,
    ),
    "the Serve configuration moves the added serve port": Case(
        serve_port=9000,
        want={**USUAL, "serve": 9000},
    ),
    "a declared serve port wins over the Serve configuration": Case(
        ports=[{"containerPort": 8001, "name": "serve"}],
        serve_port=9000,
        want={**USUAL, "serve": 8001},
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_ports_of_a_head(case: Case) -> None:
    ports = infer_ports({"ports": case.ports}, case.params, case.serve_port)
    assert {port.name: port.number for port in ports} == dict(case.want)
    assert [port.name for port in ports] == sorted(case.want)


def test_a_metrics_port_is_declared_unless_there_is_one() -> None:
    own: JsonObject = {"ports": [{"name": "metrics", "containerPort": 9}]}
    assert with_metrics_port(own, {}) == ({"name": "metrics", "containerPort": 9},)
    added = with_metrics_port({}, {"metrics-export-port": "8081"})
    assert added == ({"name": "metrics", "containerPort": 8081},)

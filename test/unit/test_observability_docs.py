"""What docs/observability.md and config/prometheus say of the metrics is what is served."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram

from ray_operator.controllers.peer_metrics import PeerMetrics
from ray_operator.operator import metrics
from ray_operator.operator.standard_metrics import STANDARD_NAMES
from support.desk import a_desk

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
PROMETHEUS = ROOT / "config" / "prometheus"
ROW = re.compile(
    r"^\| `(\w+)` \| (counter|gauge|histogram) \| ([\w, ]*?) ?\| (.+) \|$", re.MULTILINE
)
OF_THE_PROCESS = ("process_", "python_")


@dataclass(frozen=True)
class Series:
    type: str
    labels: frozenset[str]


def series(type_: str, labels: tuple[str, ...]) -> Series:
    return Series(type_, frozenset(labels))


def shown_name(name: str, type_: str) -> str:
    return f"{name}_total" if type_ == "counter" else name


def declared() -> Iterator[tuple[str, Series]]:
    """Return what metrics.py declares, by the names that Prometheus shows."""
    for metric in vars(metrics).values():
        if isinstance(metric, Counter | Gauge | Histogram):
            (family,) = metric.describe()
            labels = tuple(metric._labelnames)  # noqa: SLF001 - it has no public name
            yield shown_name(family.name, family.type), series(family.type, labels)


def renamed() -> Iterator[tuple[str, Series]]:
    for each in STANDARD_NAMES.renamed:
        family = each.family()
        yield shown_name(family.name, family.type), series(family.type, each.labels)


def of_the_peer() -> Iterator[tuple[str, Series]]:
    for family in PeerMetrics(a_desk().caches).collect():
        labels = tuple(family._labelnames)  # noqa: SLF001 - it has no public name
        yield family.name, series(family.type, labels)


def of_the_process() -> Iterator[tuple[str, Series]]:
    for family in metrics.REGISTRY.collect():
        if family.name.startswith(OF_THE_PROCESS):
            labels = tuple({label for sample in family.samples for label in sample.labels})
            yield shown_name(family.name, family.type), series(family.type, labels)


SERVED = dict((*declared(), *renamed(), *of_the_peer(), *of_the_process()))


def documented() -> dict[str, Series]:
    return {
        name: series(type_, tuple(filter(None, labels.split(", "))))
        for name, type_, labels, _ in ROW.findall(PAGE)
    }


def test_the_tables_are_what_is_served() -> None:
    assert documented() == SERVED


def test_every_row_is_read() -> None:
    assert len(documented()) == len(re.findall(r"^\| `(?:\w+_)\w+` \|", PAGE, re.MULTILINE))


def test_a_renamed_series_has_the_labels_that_it_declares() -> None:
    for each in STANDARD_NAMES.renamed:
        for sample in each.family().samples:
            assert sample.labels.keys() - {"le"} == set(each.labels)


NOT_YET = {"JOB_START_SECONDS", "JOBS_FINISHED"}
"""They are fed by the controller of RayJobs."""


def test_every_metric_is_fed_by_somebody() -> None:
    folders = (ROOT / "operator", ROOT / "controllers")
    sources = [path for folder in folders for path in folder.rglob("*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    names = {n for n, m in vars(metrics).items() if isinstance(m, Counter | Gauge | Histogram)}

    assert {name for name in names if f"metrics.{name}." not in text} == NOT_YET


def test_labels_of_ours_never_name_an_object() -> None:
    ours = {name: each for name, each in SERVED.items() if name.startswith("ray_operator_")}

    assert ours
    for each in ours.values():
        assert not each.labels & {"name", "namespace", "uid", "pod", "message"}


# -- config/prometheus


def documents() -> Iterator[dict[str, Any]]:
    listed = yaml.safe_load((PROMETHEUS / "kustomization.yaml").read_text(encoding="utf-8"))
    names = {path.name for path in PROMETHEUS.iterdir()} - {"kustomization.yaml"}
    assert set(listed["resources"]) == names
    for name in sorted(names):
        yield from yaml.safe_load_all((PROMETHEUS / name).read_text(encoding="utf-8"))


def document(kind: str) -> dict[str, Any]:
    (found,) = (each for each in documents() if each["kind"] == kind)
    return found


def rules() -> list[dict[str, Any]]:
    return [
        rule for group in document("PrometheusRule")["spec"]["groups"] for rule in group["rules"]
    ]


METRIC = re.compile(r"\b(?:ray_operator|kuberay|controller_runtime|workqueue|rest_client)_\w+")
MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"")
GROUPING = re.compile(r"\bby \(([\w, ]+)\)")


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule["alert"]) for rule in rules()])
def test_an_alert_asks_for_what_is_served(rule: dict[str, Any]) -> None:
    expression = rule["expr"]
    asked = METRIC.findall(expression)
    assert asked
    known: set[str] = {"le"}
    for name in asked:
        base = re.sub(r"_(bucket|count|sum)$", "", name)
        found = SERVED.get(name) or SERVED[base]
        known |= found.labels
    used = set(MATCHER.findall(expression))
    used |= {label for group in GROUPING.findall(expression) for label in group.split(", ")}
    used |= set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
    assert used <= known
    assert rule["annotations"]["summary"].endswith(".")


def test_results_that_alerts_name_exist() -> None:
    named = {
        result
        for rule in rules()
        for text in re.findall(r'result=~?"([\w|]+)"', rule["expr"])
        for result in text.split("|")
    }

    row = next(line for line in PAGE.splitlines() if "`ray_operator_reconcile_total`" in line)
    assert named <= set(re.findall(r"`(\w+)`", row))


def test_the_monitor_finds_the_operators_service() -> None:
    service = yaml.safe_load((ROOT / "config/manager/service.yaml").read_text(encoding="utf-8"))
    spec = document("ServiceMonitor")["spec"]

    assert spec["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    ports = {port["name"] for port in service["spec"]["ports"]}
    assert {endpoint["port"] for endpoint in spec["endpoints"]} <= ports


def test_ray_pods_are_scraped_at_their_own_and_the_autoscalers_port() -> None:
    spec = document("PodMonitor")["spec"]

    assert [endpoint["port"] for endpoint in spec["podMetricsEndpoints"]] == [
        "metrics",
        "as-metrics",
    ]
    assert spec["namespaceSelector"] == {"any": True}

"""The end-to-end tests read what kubectl prints for people; here, that they read it right."""

from support.kubectl import parse_table
from support.manifests import SEEDS, read_manifest
from support.objects import described

CLUSTERS = """\
NAME                                 DESIRED WORKERS   CPUS   STATUS   AGE
rayservice-sample-raycluster-6mj28   1                        ready    142m
rayservice-sample-raycluster-sjj67   2                 3               44s
"""

DESCRIBED = """\
Name:  rayservice-sample
Status:
  Active Service Status:
    Application Statuses:
      fruit_app:
        Last Update Time:  2023-07-11T22:21:24Z
        Serve Deployment Statuses:
          DAG Driver:
            Status:  HEALTHY
        Status:      RUNNING
"""


def test_a_cell_of_a_table_may_be_empty_and_a_column_have_two_words() -> None:
    table = parse_table(CLUSTERS)
    assert table.header == ("NAME", "DESIRED WORKERS", "CPUS", "STATUS", "AGE")
    assert table.column("STATUS") == ("ready", "")
    assert table.row("rayservice-sample-raycluster-sjj67")["CPUS"] == "3"


def test_a_description_is_read_by_its_indentation() -> None:
    lines = described(DESCRIBED)
    application = ("Status", "Active Service Status", "Application Statuses", "fruit_app")
    assert lines[(*application, "Last Update Time")] == "2023-07-11T22:21:24Z"
    deployment = (*application, "Serve Deployment Statuses", "DAG Driver")
    assert lines[(*deployment, "Status")] == "HEALTHY"
    assert lines[(*application, "Status")] == "RUNNING"


def test_an_edit_of_a_manifest_leaves_the_manifest_as_it_was() -> None:
    job = read_manifest(SEEDS / "003_rayjob.yaml")
    path = "spec.rayClusterSpec.workerGroupSpecs.0.replicas"
    assert job.set(path, 3).value(path) == 3
    assert job.value(path) == 2

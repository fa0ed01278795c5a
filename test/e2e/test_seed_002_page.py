"""The page "Deploying Ray Serve applications", step by step as it is written.

The manifest is config/samples/ray_v1alpha1_rayservice.yaml, and edits are edits of that file.  The
page's images are tags of ours in the test cluster; Ray is newer than on the page, so deployments
are named without the application's name in front, as Ray has done since 2.7.
"""

import os
import re
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ray_operator.operator.documents import get_int, get_object, get_objects, get_text, get_texts
from support.clients import FIFTEEN, FRUIT, PIZZA, CurlPod, a_curl_pod, curl_line
from support.findings import Findings
from support.kubectl import Kubectl, Table
from support.manifests import RAYSERVICE_SAMPLE
from support.objects import (
    RAY_NODE,
    active_cluster,
    applications,
    created,
    described,
    is_observed,
    labels_of,
    live_pods,
    name_of,
    phase_of,
    uid_of,
    wait_for_service,
    wait_until_gone,
)
from support.waiting import expect, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.story, pytest.mark.timeout(900)]

NAME = "rayservice-sample"
CLUSTER_NAME = r"rayservice-sample-raycluster-\w{5}"
HEAD_PORTS = "10001/TCP,8265/TCP,52365/TCP,6379/TCP,8080/TCP,8000/TCP"
DEPLOYMENTS = {
    "fruit_app": {"MangoStand", "OrangeStand", "PearStand", "FruitMarket", "DAGDriver"},
    "math_app": {"Adder", "Multiplier", "Router", "create_order", "DAGDriver"},
}


@pytest.fixture(scope="module")
def kube(cluster: None) -> Iterator[Kubectl]:  # noqa: ARG001 - needed, not used
    """The page works in the namespace `default`, where a demo may have left its service."""
    kube = Kubectl("default")
    if os.environ.get("CLUSTER") == "current" and kube.find("rayservice", NAME):
        pytest.fail(f"there is a RayService default/{NAME}: the page needs that name for itself")
    _remove(kube)
    yield kube
    _remove(kube)


def _remove(kube: Kubectl) -> None:
    kube.run("delete", "rayservice", NAME, "--ignore-not-found", "--cascade=foreground")
    kube.run("delete", "pod", "curl", "--ignore-not-found", "--now")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The downloaded file, to be edited from step to step."""
    path = tmp_path_factory.mktemp("page") / RAYSERVICE_SAMPLE.name
    shutil.copy(RAYSERVICE_SAMPLE, path)
    return path


@pytest.fixture(scope="module")
def asker(kube: Kubectl) -> Iterator[CurlPod]:
    """A second pod with curl, that is there before the page's own."""
    with a_curl_pod(kube) as pod:
        yield pod


def test_applying_the_sample_leads_to_a_service_that_answers(
    kube: Kubectl, file: Path, asker: CurlPod, findings: Findings
) -> None:
    """Step 3. S2-03, S2-05, S4-03, S0-15."""
    with findings.timed("kubectl apply of the sample -> first 6"):
        said = kube.apply(file)
        asker.wait_for(f"{NAME}-serve-svc", "/fruit/", FRUIT, "6")
    assert said.strip() == f"rayservice.ray.io/{NAME} created"
    service = wait_for_service(kube, NAME)
    assert applications(service) == {"fruit_app": "RUNNING", "math_app": "RUNNING"}


def test_get_rayservice_shows_the_name_first_and_the_age_last(kube: Kubectl) -> None:
    """Step 4.1. S2-06, S4-04, S0-16."""
    table = kube.table("get", "rayservice")
    assert (table.header[0], table.header[-1]) == ("NAME", "AGE")
    assert re.fullmatch(r"(\d+[dhms])+", table.row(NAME)["AGE"])


def test_get_raycluster_shows_one_ready_cluster_with_one_worker(kube: Kubectl) -> None:
    """Step 4.2. S2-07."""
    table = kube.table("get", "raycluster")
    wanted = ("NAME", "DESIRED WORKERS", "AVAILABLE WORKERS", "STATUS", "AGE")
    assert tuple(column for column in table.header if column in wanted) == wanted
    (row,) = _clusters(table)
    assert re.fullmatch(CLUSTER_NAME, row["NAME"])
    assert [row[column] for column in wanted[1:4]] == ["1", "1", "ready"]


def test_get_pods_shows_the_head_and_the_worker_ready(kube: Kubectl) -> None:
    """Step 4.3. S2-08, S4-05."""
    table = kube.table("get", "pods", f"-l={RAY_NODE}")
    cluster = active_cluster(kube.get("rayservice", NAME))
    worker, head = sorted(table.column("NAME"), key=lambda name: "-worker-" not in name)
    assert re.fullmatch(rf"{cluster[4:]}-worker-small-group-\w{{5}}", worker)
    assert re.fullmatch(rf"{cluster}-head-\w{{5}}", head)
    assert set(zip(table.column("READY"), table.column("STATUS"), strict=True)) == {
        ("1/1", "Running")
    }


def test_get_services_shows_the_types_addresses_and_ports_of_the_page(kube: Kubectl) -> None:
    """Step 4.4. S2-09, S2-12, S4-06, S4-07, S0-18, S0-22, S1-08, S1-09."""
    cluster = active_cluster(kube.get("rayservice", NAME))
    table = kube.table("get", "services")
    ports = {
        f"{NAME}-head-svc": HEAD_PORTS,
        f"{cluster}-head-svc": HEAD_PORTS,
        f"{NAME}-serve-svc": "8000/TCP",
        f"{NAME}-head": HEAD_PORTS,
        f"{cluster}-dashboard-svc": "52365/TCP",
    }
    for service, wanted in ports.items():
        row = table.row(service)
        assert (row["TYPE"], row["EXTERNAL-IP"], row["PORT(S)"]) == ("ClusterIP", "<none>", wanted)
        assert re.fullmatch(r"\d+(\.\d+){3}", row["CLUSTER-IP"])
    of_the_cluster = created(kube.get("service", f"{cluster}-head-svc"))
    assert created(kube.get("service", f"{NAME}-head-svc")) > of_the_cluster
    assert created(kube.get("service", f"{NAME}-serve-svc")) > of_the_cluster


def test_the_head_services_name_the_ports_by_their_purpose(kube: Kubectl) -> None:
    """The table below step 4. S2-12."""
    ports = get_objects(get_object(kube.get("service", f"{NAME}-head-svc"), "spec"), "ports")
    assert {get_text(port, "name"): get_int(port, "port") for port in ports} == {
        "gcs-server": 6379,
        "dashboard": 8265,
        "client": 10001,
        "serve": 8000,
        "dashboard-agent": 52365,
        "metrics": 8080,
    }


def test_describe_shows_the_applications_and_deployments(kube: Kubectl) -> None:
    """Step 5.1. S2-13, S4-08."""
    text = kube.run("describe", "rayservices", NAME)
    lines = described(text)
    top = ("Status", "Active Service Status", "Application Statuses")
    deployment = (*top, "fruit_app", "Serve Deployment Statuses", "DAGDriver")
    assert lines[(*top, "fruit_app", "Status")] == "RUNNING"
    assert lines[(*top, "math_app", "Status")] == "RUNNING"
    assert lines[(*deployment, "Status")] == "HEALTHY"
    for above in ((*top, "fruit_app"), (*top, "math_app"), deployment):
        assert re.match(r"\d{4}-", lines[(*above, "Health Last Update Time")])
        assert re.match(r"\d{4}-", lines[(*above, "Last Update Time")])
    statuses = get_object(
        kube.get("rayservice", NAME), "status", "activeServiceStatus", "applicationStatuses"
    )
    for application, deployments in DEPLOYMENTS.items():
        assert set(get_object(statuses, application, "serveDeploymentStatuses")) == deployments


def test_the_dashboard_answers_through_the_head_service(kube: Kubectl) -> None:
    """Step 5.2. S2-14, S4-13, S0-21.  Forwarded to loopback only, and to a port that is free."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with (
        kube.forwarded(f"svc/{NAME}-head-svc", 8265) as port,
        direct.open(f"http://127.0.0.1:{port}/#/serve", timeout=30) as page,
    ):
        assert page.status == 200
        assert b"<html" in page.read().lower()


def test_curl_from_a_pod_gives_6_and_15_pizzas(kube: Kubectl) -> None:
    """Step 6. S2-15, S4-09 (but for its path)."""
    requests = [
        curl_line(f"{NAME}-serve-svc", "/fruit/", FRUIT),
        curl_line(f"{NAME}-serve-svc", "/calc/", PIZZA),
    ]
    screen = kube.run_at_terminal(
        *("run", "curl", "--image=radial/busyboxplus:curl", "-i", "--tty"),
        typing="\n".join(f"echo; {line}; echo" for line in requests) + "\nexit\n",
    )
    answers = [line.strip() for line in screen.splitlines()]
    assert "6" in answers, screen
    assert FIFTEEN in answers, screen


def test_a_changed_price_is_applied_in_place(kube: Kubectl, file: Path, findings: Findings) -> None:
    """Step 7. S2-17, S1-12, S0-02, E-55."""
    before = active_cluster(kube.get("rayservice", NAME))
    uid = uid_of(kube.get("raycluster", before))
    _edit(file, "price: 3", "price: 4")
    curl = CurlPod(kube, "curl")
    with findings.timed("price changed in place -> first 8"):
        assert kube.apply(file).strip() == f"rayservice.ray.io/{NAME} configured"
        curl.wait_for(f"{NAME}-serve-svc", "/fruit/", FRUIT, "8")

    def probe() -> None:
        service = kube.get("rayservice", NAME)
        shown = get_objects(
            get_object(service, "status", "activeServiceStatus"), "serveDeploymentStatuses"
        )
        mango = next((each for each in shown if get_text(each, "name") == "MangoStand"), {})
        times = [get_text(mango, key) for key in ("healthLastUpdateTime", "lastUpdateTime")]
        healthy = get_text(mango, "status") == "HEALTHY" and all(times)
        expect(healthy and is_observed(service), shown)

    wait_until("the list-style status shows MangoStand as HEALTHY", probe)
    assert active_cluster(kube.get("rayservice", NAME)) == before
    assert uid_of(kube.get("raycluster", before)) == uid
    assert curl.post(f"{NAME}-serve-svc", "/fruit/", FRUIT) == "8"


def test_changed_replicas_stay_in_the_rayservice(kube: Kubectl, file: Path) -> None:
    """Steps 8.1 to 8.3. S2-18."""
    (before,) = kube.list("raycluster")
    pods = {name_of(pod) for pod in live_pods(kube)}
    _edit(file, "replicas: 1", "replicas: 2")
    kube.apply(file)

    def probe() -> None:
        service = kube.get("rayservice", NAME)
        expect(is_observed(service), get_object(service, "status"))

    wait_until("the operator has seen the change", probe)
    text = kube.run("describe", "rayservices", NAME)
    assert re.search(r"Worker Group Specs:(?s:.*)Replicas: +2\n", text)
    (after,) = kube.list("raycluster")
    (group,) = get_objects(get_object(after, "spec"), "workerGroupSpecs")
    assert get_int(group, "replicas") == 1
    assert uid_of(after) == uid_of(before)
    assert get_object(after, "spec") == get_object(before, "spec")
    assert {name_of(pod) for pod in live_pods(kube)} == pods


def test_a_changed_ray_version_brings_a_new_cluster_with_two_workers(
    kube: Kubectl, file: Path, findings: Findings
) -> None:
    """Steps 8.4 and 8.5. S2-19, S1-13."""
    service = kube.get("rayservice", NAME)
    old = active_cluster(service)
    images = _images(kube)
    _edit(file, "rayVersion: '2.6.3'", "rayVersion: '2.100.0'")
    with findings.timed("rayVersion changed -> both clusters ready"):
        kube.apply(file)
        new = wait_until("both clusters are shown ready", lambda: _new_cluster(kube, old))
    assert re.fullmatch(CLUSTER_NAME, new)
    assert _images(kube) == images


def _new_cluster(kube: Kubectl, old: str) -> str:
    """Return the name of the new cluster when the table is as the page shows it."""
    rows = {row["NAME"]: row for row in _clusters(kube.table("get", "raycluster"))}
    assert old in rows, "the old cluster is gone before the new one is ready"
    expect(len(rows) == 2, rows)
    columns = ("DESIRED WORKERS", "AVAILABLE WORKERS", "STATUS")
    (new,) = rows.keys() - {old}
    assert [rows[old][column] for column in columns] == ["1", "1", "ready"]
    expect([rows[new][column] for column in columns] == ["2", "2", "ready"], rows)
    return new


def test_traffic_moves_to_the_new_cluster_before_the_old_one_goes(
    kube: Kubectl, findings: Findings
) -> None:
    """Steps 8.5 to 8.7. S2-11, S2-20, S2-23."""
    old, new = sorted(kube.list("raycluster"), key=created)

    def moved() -> None:
        selected = _selected_cluster(kube)
        expect(selected == name_of(new), f"the head Service selects {selected}")

    with findings.timed("both clusters ready -> traffic moved"):
        wait_until("the head Service's selector has moved", moved)
    assert kube.find("raycluster", name_of(old)), "the old cluster went before the traffic moved"
    with findings.timed("traffic moved -> old cluster gone"):
        wait_until_gone(kube, "raycluster", name_of(old))
    assert active_cluster(wait_for_service(kube, NAME)) == name_of(new)
    (head,) = live_pods(kube, "ray.io/node-type=head")
    assert _endpoints(kube, f"{NAME}-head-svc") == {name_of(head)}
    answer = CurlPod(kube, "curl").post(f"{NAME}-serve-svc", "/fruit/", FRUIT)
    assert answer == "8"


def test_deleting_the_file_leaves_nothing_of_ours(
    kube: Kubectl, file: Path, findings: Findings
) -> None:
    """Step 9. S2-24, S4-17."""
    with findings.timed("kubectl delete of the sample -> nothing left"):
        kube.run("delete", "-f", str(file))
        wait_until("nothing is left of the service", lambda: _nothing_left(kube))
    kube.run("delete", "pod", "curl", "--now")


def _nothing_left(kube: Kubectl) -> None:
    kinds = "rayservices,rayclusters,pods,services,endpointslices,configmaps,serviceaccounts,roles"
    left = [
        f"{get_text(document, 'kind')} {name_of(document)} {phase_of(document)}"
        for document in kube.list(f"{kinds},rolebindings,poddisruptionbudgets,jobs,secrets")
        if NAME in name_of(document) or "ray.io/cluster" in labels_of(document)
    ]
    expect(not left, left)


def _clusters(table: Table) -> list[dict[str, str]]:
    """Return the rows of the sample's clusters: `default` may hold other people's."""
    return [table.row(name) for name in table.column("NAME") if name.startswith(NAME)]


def _edit(file: Path, old: str, new: str) -> None:
    """Change the one line that says `old`, whatever it is indented by."""
    text = file.read_text(encoding="utf-8")
    line = re.compile(rf"^([ -]*){old}(?= *(#.*)?$)", re.MULTILINE)
    changed, places = line.subn(rf"\g<1>{new}", text)
    assert places == 1, f"{places} lines say {old}"
    file.write_text(changed, encoding="utf-8")


def _images(kube: Kubectl) -> set[str]:
    pods = (get_object(pod, "spec") for pod in live_pods(kube))
    return {get_text(each, "image") for pod in pods for each in get_objects(pod, "containers")}


def _selected_cluster(kube: Kubectl) -> str:
    selector = get_texts(get_object(kube.get("service", f"{NAME}-head-svc"), "spec"), "selector")
    return selector["ray.io/cluster"]


def _endpoints(kube: Kubectl, service: str) -> set[str]:
    slices = kube.list("endpointslices", f"kubernetes.io/service-name={service}")
    found = (each for slice_ in slices for each in get_objects(slice_, "endpoints"))
    return {get_text(get_object(each, "targetRef"), "name") for each in found}

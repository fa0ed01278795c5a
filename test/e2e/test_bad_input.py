"""Manifests that cannot work: the RayService says which field and why, and others don't notice.

Each mistake is made on the same RayService, first before it has ever served, then while it serves.
Correcting the manifest is all that it ever takes.  A second RayService answers all the while.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from ray_operator.operator.documents import get_object, get_objects, get_text
from support.clients import FIFTEEN, FRUIT, PIZZA, CurlPod, Stream, a_stream
from support.findings import Findings
from support.kubectl import Kubectl
from support.manifests import SEEDS, Manifest, a_rayservice, with_image
from support.objects import active_cluster, in_brief, wait_for_service, warnings_of
from support.waiting import expect, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.story, pytest.mark.timeout(900)]

GOOD = a_rayservice("mistaken")
HOST = "mistaken-serve-svc"
PROMISED = timedelta(seconds=30)
MISSING_IMAGE = "rayproject/ray:there-is-no-such-tag"


@dataclass(frozen=True, slots=True)
class Mistake:
    """A manifest that cannot work, and what must stand in the condition and in the event."""

    manifest: Manifest
    says: tuple[str, ...]


NO_YAML = Mistake(
    GOOD.replace("name: fruit_app", "name: [fruit_app"), says=("spec.serveConfigV2", "line")
)
ELLIPSIS = Mistake(
    GOOD.set(
        "spec.serveConfigV2",
        (SEEDS / "002_fragment.yaml").read_text(encoding="utf-8"),
    ),
    says=("spec.serveConfigV2", "applications[0].deployments"),
)
NO_IMAGE = Mistake(
    with_image(GOOD, MISSING_IMAGE),
    says=("spec.rayClusterConfig.headGroupSpec", "image", MISSING_IMAGE),
)
OTHER_IMAGE = Mistake(
    with_image(GOOD, f"{MISSING_IMAGE}-either"),
    says=("spec.rayClusterConfig.headGroupSpec", "image", f"{MISSING_IMAGE}-either"),
)
NO_MODULE = Mistake(
    GOOD.replace("fruit.deployment_graph", "no_such_module.deployment_graph"),
    says=("import_path", "no_such_module"),
)


@pytest.fixture(scope="module")
def bystander(kube: Kubectl) -> Iterator[Stream]:
    """A RayService that nobody touches, with a request a second from now to the end."""
    kube.apply(a_rayservice("bystander").document)
    wait_for_service(kube, "bystander")
    url = "http://bystander-serve-svc:8000/fruit/"
    with a_stream(kube, url, per_second=1) as stream:
        yield stream


def test_text_that_is_no_yaml_is_reported_with_its_line(
    kube: Kubectl, bystander: Stream, findings: Findings
) -> None:
    """Issue 3, bad input."""
    _report(kube, NO_YAML, "serveConfigV2 is no YAML", findings)
    assert bystander
    assert not _clusters(kube)


def test_the_ellipsis_of_the_page_is_reported_by_its_path(
    kube: Kubectl, findings: Findings
) -> None:
    """S2-04."""
    _report(kube, ELLIPSIS, "deployments: ...", findings)
    assert not _clusters(kube)


def test_an_image_that_does_not_exist_is_reported(kube: Kubectl, findings: Findings) -> None:
    """Issue 3, bad input; R-08."""
    _report(kube, NO_IMAGE, "the image does not exist", findings)


def test_correcting_the_manifest_is_all_that_a_service_needs_to_come_up(
    kube: Kubectl, asker: CurlPod, findings: Findings
) -> None:
    """Issue 3, bad input."""
    with findings.timed("manifest corrected -> first 6"):
        kube.apply(GOOD.document)
        asker.wait_for(HOST, "/fruit/", FRUIT, "6")
    wait_for_service(kube, "mistaken")
    assert len(_clusters(kube)) == 1


def test_an_application_that_cannot_be_imported_is_reported_while_the_others_serve(
    kube: Kubectl, asker: CurlPod, findings: Findings
) -> None:
    """Issue 3, bad input; S0-04."""
    cluster = active_cluster(kube.get("rayservice", "mistaken"))
    _report(kube, NO_MODULE, "the application cannot be imported", findings)
    assert asker.post(HOST, "/calc/", PIZZA) == FIFTEEN
    with findings.timed("import path corrected -> 8"):
        kube.apply(GOOD.replace("price: 3", "price: 4").document)
        asker.wait_for(HOST, "/fruit/", FRUIT, "8")
    assert active_cluster(wait_for_service(kube, "mistaken")) == cluster


def test_a_bad_image_leaves_a_service_that_serves_as_it_is(
    kube: Kubectl, asker: CurlPod, findings: Findings
) -> None:
    """Issue 3, bad input; R-16: the manifest's other changes wait for the new cluster, too."""
    cluster = active_cluster(kube.get("rayservice", "mistaken"))
    _report(kube, OTHER_IMAGE, "the image, while it serves", findings)
    assert asker.post(HOST, "/fruit/", FRUIT) == "8"
    kube.apply(GOOD.replace("price: 3", "price: 5").document)
    asker.wait_for(HOST, "/fruit/", FRUIT, "10")
    assert active_cluster(wait_for_service(kube, "mistaken")) == cluster
    wait_until("the cluster that never served is gone", lambda: _only(kube, cluster))


def test_the_other_service_answered_all_the_while(bystander: Stream, findings: Findings) -> None:
    """Issue 3, bad input: other objects go on being served."""
    counts = bystander.stop()
    findings.note("requests to another service meanwhile", counts)
    assert counts.failed == 0, counts.failures
    assert set(counts.answers) == {"6"}


def _report(kube: Kubectl, mistake: Mistake, name: str, findings: Findings) -> None:
    """Make a mistake and wait until a condition and a Warning event name field and reason."""
    began = time.monotonic()
    kube.apply(mistake.manifest.document)

    def probe() -> None:
        service = kube.get("rayservice", "mistaken")
        conditions = get_objects(get_object(service, "status"), "conditions")
        expect(
            any(_names(mistake, get_text(each, "message")) for each in conditions),
            in_brief(service),
        )
        events = warnings_of(kube, "RayService", "mistaken")
        expect(any(_names(mistake, event) for event in events), f"Warning events {events}")

    wait_until(f"{name}: the RayService says {mistake.says}", probe)
    took = time.monotonic() - began
    late = "" if took <= PROMISED.total_seconds() else f", later than the promised {PROMISED}"
    findings.note(f"bad input reported: {name}", f"{took:.1f} s{late}")


def _names(mistake: Mistake, message: str) -> bool:
    return all(word in message for word in mistake.says)


def _clusters(kube: Kubectl) -> tuple[str, ...]:
    of_the_service = "ray.io/originated-from-cr-name=mistaken"
    return tuple(kube.run("get", "raycluster", "-l", of_the_service, "-o", "name").split())


def _only(kube: Kubectl, cluster: str) -> None:
    clusters = _clusters(kube)
    expect(clusters == (f"raycluster.ray.io/{cluster}",), clusters)

"""The cluster under the end-to-end tests: namespaces, evidence of failures, the closing table.

Tests drive it by kubectl alone.  Images that a page or a manifest names exist in it as tags of
ours: whatever a tag says, the Ray behind it is the one of hack/images.
"""

import secrets
from collections.abc import Generator, Iterator

import pytest

from support.clients import CurlPod, a_curl_pod
from support.findings import Findings
from support.kubectl import Kubectl, KubectlError
from support.operator_pod import operator_log, wait_for_operator

FINDINGS = pytest.StashKey[Findings]()
FAILED_STEP = pytest.StashKey[str]()
EVIDENCE = ("rayservices,rayclusters,pods,services", "events --sort-by=.lastTimestamp")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FINDINGS] = Findings()
    config.addinivalue_line(
        "markers", "story: the module's tests are steps of one story; the first failure ends it"
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    """End a story where it failed: what follows would only fail for the same reason."""
    failed = item.parent.stash.get(FAILED_STEP, "") if item.parent else ""
    if failed:
        pytest.skip(f"the story ended at: {failed}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the state of the test's namespace and the operator's log to a failure."""
    report = yield
    if report.failed:
        if item.get_closest_marker("story") and item.parent:
            item.parent.stash[FAILED_STEP] = item.name
        kube = item.funcargs.get("kube")
        if isinstance(kube, Kubectl):
            report.sections += [("cluster", evidence(kube)), ("operator log", operator_log())]
    return report


def evidence(kube: Kubectl) -> str:
    """Return what a person would look at first."""
    said = []
    for what in EVIDENCE:
        try:
            said.append(kube.run("get", *what.split()))
            said.append(kube.run("describe", what.split()[0]) if "events" not in what else "")
        except KubectlError as error:
            said.append(str(error))
    return "\n".join(said)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    lines = config.stash[FINDINGS].lines()
    if lines:
        terminalreporter.section("measured")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def findings(request: pytest.FixtureRequest) -> Findings:
    """The table at the end of the session."""
    return request.config.stash[FINDINGS]


@pytest.fixture(scope="session")
def cluster() -> None:
    """A cluster with the operator in it."""
    try:
        Kubectl().run("version")
        wait_for_operator()
    except (KubectlError, FileNotFoundError) as error:
        pytest.fail(f"no cluster with the operator in it; `make test-e2e` brings one: {error}")


@pytest.fixture(scope="module")
def kube(request: pytest.FixtureRequest, cluster: None) -> Iterator[Kubectl]:  # noqa: ARG001 - needed, not used
    """Give kubectl a namespace of the module's own.

    Its deletion is asked for at the end and not waited for: Ray's pods take more than a minute to
    drain, and the next module need not see that.
    """
    module = request.module.__name__.rpartition(".")[2].removeprefix("test_").replace("_", "-")
    namespace = f"e2e-{module}-{secrets.token_hex(3)}"
    Kubectl().run("create", "namespace", namespace)
    yield Kubectl(namespace)
    Kubectl().run("delete", "namespace", namespace, "--wait=false")


@pytest.fixture(scope="module")
def asker(kube: Kubectl) -> Iterator[CurlPod]:
    """A pod with curl, in the module's namespace."""
    with a_curl_pod(kube) as pod:
        yield pod

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from ray_operator.operator.clock import SystemClock
from ray_operator.operator.documents import JsonValue
from ray_operator.operator.errors import (
    AlreadyExists,
    Conflict,
    Fenced,
    Forbidden,
    Gone,
    Invalid,
    KubeError,
    NamespaceEnding,
    NotFound,
    NotSent,
    ServerError,
    SettingsError,
    TooManyRequests,
    Unauthorized,
    Unreachable,
    is_outcome_unknown,
)
from ray_operator.operator.introduction import check_access
from ray_operator.operator.keys import Key
from ray_operator.operator.kube import Kube, KubeOptions
from ray_operator.operator.resources import PODS
from ray_operator.operator.retries import ATTEMPTS
from support.api_server import (
    TOKEN,
    ApiServer,
    a_pod,
    a_status,
    hung_up,
    listing,
    refusal,
    reply,
)
from support.control_plane import free_ports, write_kubeconfig
from support.fake_clock import FakeClock

POD = Key("ns", "a")
PATH = "/api/v1/namespaces/ns/pods/a"
PATHS = "/api/v1/namespaces/ns/pods"
REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


class HastyClock(SystemClock):
    """Sleeps not at all, and remembers for how long it should have."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, duration: timedelta) -> None:
        self.slept.append(duration.total_seconds())


@pytest.fixture
def hasty() -> HastyClock:
    return HastyClock()


@pytest.fixture
async def kube(server: ApiServer, hasty: HastyClock) -> AsyncIterator[Kube]:
    async with server.connected(hasty) as kube:
        yield kube


async def test_every_request_shows_its_token(server: ApiServer, kube: Kube) -> None:
    server.on("GET", PATH, reply(a_pod("a")))

    await kube.get(PODS, POD)

    assert server.requests[0].headers["Authorization"] == f"Bearer {TOKEN}"


@dataclass(frozen=True)
class Refused:
    status: int
    reason: str
    want: type[KubeError]


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=sentence)
        for sentence, case in {
            "a wrong object": Refused(422, "Invalid", Invalid),
            "a malformed request": Refused(400, "BadRequest", Invalid),
            "a missing permission": Refused(403, "Forbidden", Forbidden),
            "a missing object": Refused(404, "NotFound", NotFound),
            "an object that changed": Refused(409, "Conflict", Conflict),
            "a name that is taken": Refused(409, "AlreadyExists", AlreadyExists),
            "a position that is too old": Refused(410, "Expired", Gone),
        }.items()
    ],
)
async def test_refusals_are_told_apart_by_class(
    server: ApiServer, kube: Kube, case: Refused
) -> None:
    server.on("POST", PATHS, refusal(case.status, case.reason, "because"))

    with pytest.raises(case.want, match="create pods: because") as caught:
        await kube.create(PODS, a_pod("a"))

    assert type(caught.value) is case.want
    assert server.count("POST") == 1


async def test_a_namespace_that_is_being_deleted_is_told_from_a_missing_permission(
    server: ApiServer, kube: Kube
) -> None:
    causes: list[JsonValue] = [{"reason": "NamespaceTerminating", "field": "metadata.namespace"}]
    status = {**a_status(403, "Forbidden", "because"), "details": {"causes": causes}}
    server.on("POST", PATHS, reply(status, 403))

    with pytest.raises(NamespaceEnding):
        await kube.create(PODS, a_pod("a"))


async def test_what_may_be_asked_twice_is_asked_again_when_the_server_stumbles(
    server: ApiServer, kube: Kube
) -> None:
    server.on("GET", PATH, refusal(503), hung_up(), refusal(500), reply(a_pod("a")))

    assert await kube.get(PODS, POD) == a_pod("a")


async def test_retries_end(server: ApiServer, kube: Kube) -> None:
    server.on("GET", PATH, refusal(503))

    with pytest.raises(ServerError):
        await kube.get(PODS, POD)

    assert server.count("GET") == ATTEMPTS


async def test_a_create_is_not_repeated_when_its_outcome_is_unknown(
    server: ApiServer, kube: Kube
) -> None:
    server.on("POST", PATHS, hung_up())

    with pytest.raises(Unreachable) as caught:
        await kube.create(PODS, a_pod("a"))

    assert server.count("POST") == 1
    assert is_outcome_unknown(caught.value)


async def test_a_create_that_the_server_put_off_is_repeated_after_as_long_as_it_asked(
    server: ApiServer, kube: Kube, hasty: HastyClock
) -> None:
    server.on("POST", PATHS, refusal(429, "TooManyRequests", Retry_After="7"), reply(a_pod("a")))

    await kube.create(PODS, a_pod("a"))

    assert hasty.slept == [7.0]


async def test_a_server_that_wants_a_long_rest_gets_it_from_the_queue(
    server: ApiServer, kube: Kube
) -> None:
    server.on("GET", PATH, refusal(429, "TooManyRequests", Retry_After="600"))

    with pytest.raises(TooManyRequests) as caught:
        await kube.get(PODS, POD)

    assert caught.value.retry_after_seconds == 600
    assert server.count("GET") == 1


async def test_a_patch_bound_to_a_version_is_not_repeated(server: ApiServer, kube: Kube) -> None:
    server.on("PATCH", PATH, refusal(500))

    with pytest.raises(ServerError):
        await kube.patch(PODS, POD, {"metadata": {"resourceVersion": "1"}})

    assert server.count("PATCH") == 1


async def test_a_refused_connection_is_known_to_have_done_nothing(
    tmp_path: Path, hasty: HastyClock
) -> None:
    (port,) = free_ports(1)
    kubeconfig = write_kubeconfig(tmp_path / "config", f"http://127.0.0.1:{port}", TOKEN)
    kube = await Kube.connect(KubeOptions(kubeconfig=kubeconfig), hasty)

    with pytest.raises(NotSent) as caught:
        await kube.create(PODS, a_pod("a"))

    assert not is_outcome_unknown(caught.value)
    await kube.close()


async def test_a_token_that_was_replaced_is_read_again_after_a_401(
    server: ApiServer, tmp_path: Path
) -> None:
    async def only_with_the_new_token(request: web.Request) -> web.StreamResponse:
        right = request.headers["Authorization"] == "Bearer new"
        return await (reply(a_pod("a")) if right else refusal(401, "Unauthorized"))(request)

    server.on("GET", PATH, only_with_the_new_token)
    async with server.connected() as kube:
        write_kubeconfig(tmp_path / "kubeconfig", server.url, "new")

        assert await kube.get(PODS, POD) == a_pod("a")
    assert server.count("GET") == 2


async def test_credentials_that_cant_be_read_for_a_moment_are_shown_as_they_were(
    server: ApiServer, tmp_path: Path
) -> None:
    server.on("GET", PATH, refusal(401, "Unauthorized"), reply(a_pod("a")))
    async with server.connected() as kube:
        (tmp_path / "kubeconfig").write_text("clusters: {")

        assert await kube.get(PODS, POD) == a_pod("a")
    assert server.requests[1].headers["Authorization"] == f"Bearer {TOKEN}"


async def test_a_token_that_stays_wrong_is_shown_twice_and_no_more(
    server: ApiServer, kube: Kube
) -> None:
    server.on("GET", PATH, refusal(401, "Unauthorized"))

    with pytest.raises(Unauthorized):
        await kube.get(PODS, POD)

    assert server.count("GET") == 2


async def test_a_refusal_by_ray_behind_the_proxy_is_handed_through(
    server: ApiServer, kube: Kube
) -> None:
    server.on("GET", "/proxy", refusal(401, message="Ray says no"))

    answer = await kube.raw("GET", "/proxy", timeout=timedelta(seconds=5))

    assert answer.status == 401
    assert server.count("GET") == 1


async def test_a_proxied_call_that_hangs_ends_in_time(server: ApiServer, kube: Kube) -> None:
    async def hang(_request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    server.on("GET", "/proxy", hang)

    with pytest.raises(Unreachable):
        await kube.raw("GET", "/proxy", timeout=timedelta(seconds=0.1))


async def test_of_what_is_made_or_patched_no_more_is_asked_than_is_read(
    server: ApiServer, kube: Kube
) -> None:
    server.on("POST", PATHS, reply(a_pod("a"), 201), reply(a_pod("b"), 201))
    server.on("PATCH", PATH, reply(a_pod("a")))

    await kube.create(PODS, a_pod("a"))
    await kube.create(PODS, a_pod("b"), wants_all=False)
    await kube.patch(PODS, POD, {"metadata": {"labels": {"a": "b"}}})

    asked = [request.headers["Accept"].split(";")[0:2] for request in server.requests]
    brief = ["application/json", "as=PartialObjectMetadata"]
    assert asked == [["application/json"], brief, brief]


async def test_warnings_of_the_server_are_handed_on(server: ApiServer, kube: Kube) -> None:
    text = r'299 - "unknown field \"spec.imagee\""'
    server.on("POST", PATHS, reply(a_pod("a"), Warning=text))

    written = await kube.create(PODS, a_pod("a"))

    assert written.warnings == ('unknown field "spec.imagee"',)
    assert server.requests[0].query["fieldValidation"] == "Warn"


async def test_a_list_is_read_in_pages_of_100(server: ApiServer, kube: Kube) -> None:
    server.on(
        "GET", "/api/v1/pods", listing(a_pod("a"), more="next"), listing(a_pod("b"), version="11")
    )

    pages = [page async for page in kube.list_pages(PODS, selector="x=y")]

    assert [page.items for page in pages] == [(a_pod("a"),), (a_pod("b"),)]
    assert [r.query for r in server.requests] == [
        {"limit": "100", "labelSelector": "x=y"},
        {"limit": "100", "labelSelector": "x=y", "continue": "next"},
    ]


async def test_a_delete_names_the_life_that_it_means(server: ApiServer, kube: Kube) -> None:
    server.on("DELETE", PATH, reply({"kind": "Status"}))

    await kube.delete(PODS, POD, uid="u", grace=timedelta())

    assert server.requests[0].body == {
        "propagationPolicy": "Background",
        "preconditions": {"uid": "u"},
        "gracePeriodSeconds": 0,
    }


Write = Callable[[Kube], Awaitable[object]]


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(write, id=name)
        for name, write in {
            "create": lambda kube: kube.create(PODS, a_pod("a")),
            "patch": lambda kube: kube.patch(PODS, POD, {}),
            "replace": lambda kube: kube.replace(PODS, POD, {}),
            "delete": lambda kube: kube.delete(PODS, POD),
        }.items()
    ],
)
async def test_no_write_passes_a_closed_fence(server: ApiServer, kube: Kube, write: Write) -> None:
    kube.fence.ask(lambda: False)

    with pytest.raises(Fenced):
        await write(kube)

    assert server.requests == []


async def test_a_write_that_waited_while_the_fence_closed_does_not_leave(
    server: ApiServer, kube: Kube
) -> None:
    """The lead is lost after the request was begun, before its bytes are written."""
    asked = 0

    def open_only_at_first() -> bool:
        nonlocal asked
        asked += 1
        return asked == 1

    kube.fence.ask(open_only_at_first)

    with pytest.raises(Fenced):
        await kube.create(PODS, a_pod("a"))

    assert server.requests == []


async def test_a_loop_that_freezes_between_head_and_body_sends_neither(
    server: ApiServer, kube: Kube
) -> None:
    asked = 0

    def open_until_the_head() -> bool:
        nonlocal asked
        asked += 1
        return asked <= 2

    kube.fence.ask(open_until_the_head)

    with pytest.raises((Fenced, Unreachable)):
        await kube.create(PODS, a_pod("a"))

    assert asked == 3
    assert server.requests == []


async def test_reads_pass_a_closed_fence(server: ApiServer, kube: Kube) -> None:
    server.on("GET", PATH, reply(a_pod("a")))
    kube.fence.ask(lambda: False)

    assert await kube.get(PODS, POD) == a_pod("a")


async def test_the_rate_limit_spaces_requests_out(server: ApiServer, clock: FakeClock) -> None:
    server.on("GET", PATH, reply(a_pod("a")))
    async with server.connected(clock, qps=2, burst=3) as kube:
        tasks = [asyncio.create_task(kube.get(PODS, POD)) for _ in range(5)]
        await server.wait_for("GET", PATH, 3)
        assert clock.sleepers == 2

        clock.advance(timedelta(seconds=0.5))
        await server.wait_for("GET", PATH, 4)
        assert clock.sleepers == 1

        clock.advance(timedelta(seconds=0.5))
        await asyncio.gather(*tasks)


async def test_the_self_test_tells_who_we_are(server: ApiServer, kube: Kube) -> None:
    server.on("POST", REVIEW, reply({"status": {"userInfo": {"username": "me"}}}))

    assert await check_access(kube) == "me"


async def test_the_self_test_does_without_a_review_on_old_servers(
    server: ApiServer, kube: Kube
) -> None:
    server.on("GET", "/api", reply({}))

    assert await check_access(kube) == ""


async def test_the_self_test_refuses_to_go_without_credentials(
    server: ApiServer, tmp_path: Path
) -> None:
    kubeconfig = write_kubeconfig(tmp_path / "bare", server.url, "")
    kube = await Kube.connect(KubeOptions(kubeconfig=kubeconfig), SystemClock())

    with pytest.raises(Unauthorized, match="neither a token nor a client certificate"):
        await check_access(kube)

    assert server.requests == []
    await kube.close()


@pytest.mark.parametrize("text", ["", "no: kubeconfig", "[1]", "clusters: {"])
async def test_an_unusable_kubeconfig_is_a_wrong_setting(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config"
    file.write_text(text)

    with pytest.raises(SettingsError, match="no usable configuration"):
        await Kube.connect(KubeOptions(kubeconfig=file), SystemClock())


async def test_a_missing_kubeconfig_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no usable configuration"):
        await Kube.connect(KubeOptions(kubeconfig=tmp_path / "none"), SystemClock())

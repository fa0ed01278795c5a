"""Probes and metrics over real HTTP(S), served by the side thread while the main loop stands."""

import asyncio
import http.client
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from ray_operator.operator.certificate import ServingCertificate
from ray_operator.operator.documents import JsonObject
from ray_operator.operator.endpoints import Endpoints, Security, parse_address
from ray_operator.operator.errors import SettingsError
from ray_operator.operator.health import STALE, Health
from ray_operator.operator.kube import KubeOptions
from ray_operator.operator.resources import PODS, Resource
from ray_operator.operator.scrapers import REFUSED_FOR, REMEMBERED, TRUSTED_FOR, Scrapers
from ray_operator.operator.sidethread import SideThread
from ray_operator.operator.supervisor import HOPELESS, Supervisor
from support.api_server import ApiServer, refusal, reply
from support.certificates import make_certificate
from support.control_plane import write_kubeconfig
from support.fake_clock import FakeClock, settle

LOOPBACK = "127.0.0.1:0"


@dataclass
class Cache:
    resource: Resource = PODS
    is_settled: bool = True
    silence: timedelta = timedelta()
    age: timedelta = timedelta()


@dataclass
class World:
    """What the endpoints tell of, and how they are asked: blocking, so that no loop turns here."""

    clock: FakeClock
    supervisor: Supervisor
    health: Health
    cache: Cache
    addresses: list[tuple[str, int]] = field(default_factory=list)

    def ask(self, path: str) -> tuple[int, str]:
        """Ask a probe."""
        connection = http.client.HTTPConnection(*self.addresses[0], timeout=60)
        return answer_of(connection, path, {})

    def scrape(self) -> tuple[int, str]:
        """Ask for the metrics over HTTP."""
        connection = http.client.HTTPConnection(*self.addresses[1], timeout=60)
        return answer_of(connection, "/metrics", {})


def answer_of(
    connection: http.client.HTTPConnection, path: str, headers: dict[str, str]
) -> tuple[int, str]:
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


@asynccontextmanager
async def a_world(clock: FakeClock, security: Security | None = None) -> AsyncIterator[World]:
    supervisor, cache = Supervisor(clock), Cache()
    health = Health(clock, supervisor, lambda: [cache])
    health.is_working = True
    world = World(clock, supervisor, health, cache)
    endpoints = Endpoints(health, LOOPBACK, LOOPBACK, security)
    async with SideThread("probes") as side:
        try:
            await side.run(endpoints.start())
            world.addresses = endpoints.addresses
            yield world
        finally:
            await side.run(endpoints.stop())
            await supervisor.stop()


@pytest.fixture
async def world(clock: FakeClock) -> AsyncIterator[World]:
    async with a_world(clock) as world:
        yield world


ALL_WELL = "[+]event-loop ok\n[+]tasks ok\n[+]watches ok\n"


async def test_a_sound_process_is_alive_and_ready(world: World) -> None:
    assert world.ask("/healthz") == world.ask("/readyz") == (200, "ok")
    assert world.ask("/healthz?verbose") == (200, f"{ALL_WELL}healthz check passed\n")
    assert world.ask("/readyz?verbose") == (200, f"{ALL_WELL}[+]caches ok\nreadyz check passed\n")


async def test_a_frozen_loop_is_told_by_the_side_thread(world: World) -> None:
    world.clock.advance(timedelta(seconds=31))

    # From here on this loop does not turn: the question blocks it.
    assert world.ask("/healthz") == (500, "the event loop has not turned for 31 s")
    status, text = world.ask("/readyz?verbose")
    assert status == 500
    assert text.startswith("[-]event-loop failed: the event loop has not turned for 31 s\n")
    assert text.endswith("readyz check failed\n")


async def test_a_watch_that_has_gone_silent_is_told(world: World) -> None:
    world.cache.age = world.cache.silence = STALE + timedelta(seconds=1)

    assert world.ask("/healthz") == (500, "the watch of pods is silent for 161 s")
    assert "[-]watches failed: the watch of pods is silent" in world.ask("/healthz?verbose")[1]


async def test_a_watch_that_is_silent_no_longer_than_allowed_is_none(world: World) -> None:
    world.cache.age = world.cache.silence = STALE

    assert world.ask("/healthz") == (200, "ok")


async def test_a_task_that_fails_again_and_again_is_told(world: World) -> None:
    async def die() -> None:
        raise ValueError("oops")

    world.supervisor.start("mortal", die)
    for _ in range(HOPELESS):
        await settle()
        world.clock.skip()
    await settle()

    status, text = world.ask("/healthz?verbose")
    assert status == 500
    assert "[-]tasks failed: task mortal fails again and again\n" in text


async def test_a_cache_that_is_not_filled_keeps_from_being_ready(world: World) -> None:
    world.cache.is_settled = False

    assert world.ask("/healthz") == (200, "ok")
    assert world.ask("/readyz") == (500, "the cache of pods is not filled yet")
    assert "[+]watches ok\n[-]caches failed" in world.ask("/readyz?verbose")[1]


async def test_a_follower_is_ready_as_soon_as_it_answers(world: World) -> None:
    world.health.is_working = False
    world.cache.is_settled = False

    assert world.ask("/readyz") == (200, "ok")


async def test_several_problems_are_a_line_each(world: World) -> None:
    world.clock.advance(timedelta(seconds=31))
    world.cache.is_settled = False

    assert len(world.ask("/readyz")[1].splitlines()) == 2


async def test_metrics_are_served_to_everybody_unless_secured(world: World) -> None:
    status, text = world.scrape()

    assert status == 200
    assert "\nray_operator_leader " in text


@pytest.mark.parametrize("address", ["8080", "localhost", ":x", ""])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="expected host:port"):
        parse_address(address)


# -- secured metrics

REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCESS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
USER: JsonObject = {
    "username": "system:serviceaccount:monitoring:prometheus",
    "uid": "1",
    "groups": ["system:authenticated"],
    "extra": {"authentication.kubernetes.io/pod-name": ["prometheus-0"]},
}


@dataclass
class Secured:
    """Metrics over TLS, and the API server that says who may read them."""

    world: World
    server: ApiServer
    folder: Path

    def scrape(self, authorization: str = "Bearer good", host: str = "") -> tuple[int, str]:
        """Ask for the metrics; the certificate in the folder is the one to trust."""
        context = ssl.create_default_context(cafile=str(self.folder / "tls.crt"))
        return self.scrape_with(context, authorization, host)

    def scrape_with(
        self, context: ssl.SSLContext, authorization: str = "Bearer good", host: str = ""
    ) -> tuple[int, str]:
        """Ask for the metrics; `host` is the name that the client shows (SNI), if any."""
        address, port = self.world.addresses[1]
        context.check_hostname = not host
        connection = http.client.HTTPSConnection(host or address, port, context=context, timeout=60)
        headers = {"Authorization": authorization} if authorization else {}
        return answer_of(connection, "/metrics", headers)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "certificate"
    folder.mkdir()
    make_certificate(folder, "first")
    return folder


@pytest.fixture
async def secured(
    clock: FakeClock, server: ApiServer, folder: Path, tmp_path: Path
) -> AsyncIterator[Secured]:
    server.on("POST", REVIEWS, reply({"status": {"authenticated": True, "user": USER}}))
    server.on("POST", ACCESS, reply({"status": {"allowed": True}}))
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url, "own-token")
    scrapers = Scrapers(KubeOptions(kubeconfig), clock)
    certificate = ServingCertificate(folder / "tls.crt", folder / "tls.key", clock)
    async with a_world(clock, Security(certificate, scrapers)) as world:
        yield Secured(world, server, folder)


async def off_loop(ask: Callable[[], tuple[int, str]]) -> tuple[int, str]:
    """Ask from another thread: the scripted API server lives in this one."""
    return await asyncio.to_thread(ask)


async def test_who_may_get_the_url_reads_the_metrics(secured: Secured) -> None:
    status, text = await off_loop(secured.scrape)

    assert status == 200
    assert "\nray_operator_leader " in text
    review, access = secured.server.requests
    assert review.path == REVIEWS
    assert review.body == {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": "good"},
    }
    assert access.path == ACCESS
    assert access.body == {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": USER["username"],
            "uid": "1",
            "groups": USER["groups"],
            "extra": USER["extra"],
            "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
        },
    }


@pytest.mark.parametrize(
    "authorization", ["", "Basic Z29vZA==", "Bearer", "Bearer  ", "Bearer gööd"]
)
async def test_who_shows_no_token_is_sent_away_without_asking(
    secured: Secured, authorization: str
) -> None:
    assert await off_loop(lambda: secured.scrape(authorization)) == (401, "Unauthorized\n")
    assert secured.server.requests == []


async def test_a_token_that_nobody_knows_is_unauthorized(secured: Secured) -> None:
    secured.server.on("POST", REVIEWS, reply({"status": {"authenticated": False}}))

    assert await off_loop(secured.scrape) == (401, "Unauthorized\n")
    assert secured.server.count("POST", ACCESS) == 0


async def test_who_lacks_the_right_is_forbidden(secured: Secured) -> None:
    secured.server.on("POST", ACCESS, reply({"status": {"allowed": False, "reason": "no"}}))

    assert await off_loop(secured.scrape) == (403, "Forbidden\n")


async def test_nobody_gets_in_while_nobody_can_be_asked(secured: Secured) -> None:
    secured.server.on("POST", REVIEWS, refusal(403, "Forbidden", "cannot create tokenreviews"))

    assert await off_loop(secured.scrape) == (503, "Service Unavailable\n")

    secured.server.on("POST", REVIEWS, reply({"status": {"authenticated": True, "user": USER}}))
    status, _ = await off_loop(secured.scrape)
    assert status == 200


async def test_an_answer_is_remembered_for_a_while(secured: Secured) -> None:
    await off_loop(secured.scrape)
    await off_loop(secured.scrape)
    assert secured.server.count("POST", REVIEWS) == 1

    secured.world.clock.advance(TRUSTED_FOR)
    secured.server.on("POST", ACCESS, reply({"status": {"allowed": False}}))
    assert (await off_loop(secured.scrape))[0] == 403
    assert secured.server.count("POST", REVIEWS) == 2

    secured.server.on("POST", ACCESS, reply({"status": {"allowed": True}}))
    assert (await off_loop(secured.scrape))[0] == 403
    secured.world.clock.advance(REFUSED_FOR)
    assert (await off_loop(secured.scrape))[0] == 200


async def test_made_up_tokens_do_not_fill_the_memory(
    clock: FakeClock, server: ApiServer, tmp_path: Path
) -> None:
    server.on("POST", REVIEWS, reply({"status": {"authenticated": False}}))
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url, "own-token")
    scrapers = Scrapers(KubeOptions(kubeconfig), clock)
    await scrapers.open()
    for number in range(REMEMBERED + 10):
        await scrapers.judge(f"Bearer {number}")
    asked = server.count("POST")

    await scrapers.judge(f"Bearer {REMEMBERED + 9}")
    assert server.count("POST") == asked
    await scrapers.judge("Bearer 0")
    assert server.count("POST") == asked + 1
    await scrapers.close()


async def test_a_renewed_certificate_is_shown_at_once_whether_or_not_a_name_is(
    secured: Secured,
) -> None:
    for name in ("second", "third"):
        old = ssl.create_default_context(cafile=str(secured.folder / "tls.crt"))
        make_certificate(secured.folder, name)

        assert (await off_loop(secured.scrape))[0] == 200
        assert (await off_loop(lambda: secured.scrape(host="localhost")))[0] == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            await off_loop(partial(secured.scrape_with, old))


async def test_a_certificate_that_is_half_written_does_not_replace_the_one_that_works(
    secured: Secured, caplog: pytest.LogCaptureFixture
) -> None:
    trusted = ssl.create_default_context(cafile=str(secured.folder / "tls.crt"))
    whole = (secured.folder / "tls.crt").read_bytes()
    (secured.folder / "tls.crt").write_bytes(whole[:100])

    assert (await off_loop(lambda: secured.scrape_with(trusted)))[0] == 200
    assert (await off_loop(lambda: secured.scrape_with(trusted)))[0] == 200
    assert caplog.messages.count("the renewed certificate can't be used") == 1

    (secured.folder / "tls.crt").unlink()
    assert (await off_loop(lambda: secured.scrape_with(trusted)))[0] == 200


def test_a_certificate_that_is_not_there_is_named_at_the_start(
    tmp_path: Path, clock: FakeClock
) -> None:
    with pytest.raises(SettingsError, match=r"no usable certificate in .*tls\.crt"):
        ServingCertificate(tmp_path / "tls.crt", tmp_path / "tls.key", clock)


async def test_plain_http_gets_nothing_from_the_secured_port(secured: Secured) -> None:
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        secured.world.scrape()


async def test_probes_stay_plain(secured: Secured) -> None:
    assert secured.world.ask("/healthz") == (200, "ok")


async def test_no_token_is_ever_logged(secured: Secured, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    secured.server.on("POST", ACCESS, reply({"status": {"allowed": False}}))
    await off_loop(lambda: secured.scrape("Bearer a-very-secret-token"))
    secured.server.on("POST", REVIEWS, refusal(403, "Forbidden", "no"))
    await off_loop(lambda: secured.scrape("Bearer another-secret-token"))

    told = " ".join(str(record.__dict__) for record in caplog.records)
    assert "a scrape was refused" in told
    assert "who may read the metrics can't be asked" in told
    assert "secret-token" not in told

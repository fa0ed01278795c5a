"""What is kept of Rays, told by fakes over HTTP and a clock that tests move."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from ray_operator.controllers.dashboard.address import ClusterAddress, PodAddress
from ray_operator.controllers.dashboard.admission import Admission
from ray_operator.controllers.dashboard.client import ServeClient, Timeouts
from ray_operator.controllers.dashboard.dashboards import Dashboards
from ray_operator.controllers.dashboard.errors import Trouble
from ray_operator.controllers.dashboard.observation import Accepted, Refused, Unanswered
from ray_operator.controllers.dashboard.poller import AT_REST, IN_TRANSITION
from ray_operator.controllers.dashboard.reports import ProxyHealth
from ray_operator.controllers.dashboard.submitter import Submission
from ray_operator.controllers.dashboard.transport import Direct
from ray_operator.operator.keys import Key
from support.dashboard import FakeRays, Mode
from support.fake_clock import FakeClock

OWNER = Key("default", "demo")
HEAD = PodAddress("default", "demo-head-abcde", "10.0.0.1")
WORKER = PodAddress("default", "demo-worker-abcde", "10.0.0.2")
CLUSTER = ClusterAddress(uid="u1", head=HEAD, head_uid="h1", pods=(HEAD, WORKER))
FRUIT = Submission("v1:1", b'{"applications":[{"name":"fruit","import_path":"fruit:app"}]}')
QUICK = Timeouts(
    read=timedelta(seconds=0.2), write=timedelta(seconds=0.2), probe=timedelta(seconds=0.2)
)


@dataclass
class Scene:
    """The registry under test, and what surrounds it."""

    dashboards: Dashboards
    rays: FakeRays
    clock: FakeClock
    told: list[Key] = field(default_factory=list)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for what real HTTP brings about; the clock stands still."""
        async with asyncio.timeout(5):
            while not holds():  # noqa: ASYNC110 - what the server does is seen from outside only
                await asyncio.sleep(0.005)

    async def looks(self, count: int, pace: timedelta = AT_REST.interval) -> None:
        """Let the poller look so many times more."""
        for _ in range(count):
            await self._look(pace)
        await self.until(lambda: self.clock.sleepers > 0)

    async def _look(self, pace: timedelta) -> None:
        before = len(self.rays.requests)
        await self.until(lambda: self.clock.sleepers > 0)
        await self.clock.pass_by(pace)
        await self.until(lambda: len(self.rays.requests) > before)


@asynccontextmanager
async def a_scene(timeouts: Timeouts = QUICK) -> AsyncIterator[Scene]:
    async with FakeRays(node_ips=lambda *_: (HEAD.ip, WORKER.ip)).serving() as rays:
        told: list[Key] = []
        clock, transport = FakeClock(), Direct(rays.locate)
        client = ServeClient(transport, Admission(), timeouts)
        dashboards = Dashboards(client, clock, told.append)
        running = asyncio.create_task(dashboards.run())
        await asyncio.sleep(0)
        yield Scene(dashboards, rays, clock, told)
        running.cancel()
        await asyncio.wait({running})
        await transport.close()


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with a_scene() as made:
        yield made


def report_of(scene: Scene) -> object:
    observation = scene.dashboards.view("u1").observation
    return observation.report if observation else None


async def test_a_followed_cluster_is_looked_at_and_its_owner_is_told(scene: Scene) -> None:
    scene.dashboards.follow(OWNER, CLUSTER, AT_REST)
    await scene.until(lambda: report_of(scene) is not None)
    assert scene.told == [OWNER]


async def test_the_same_answer_is_no_news(scene: Scene) -> None:
    scene.dashboards.follow(OWNER, CLUSTER, AT_REST)
    await scene.until(lambda: report_of(scene) is not None)
    await scene.looks(3)
    assert scene.told == [OWNER]


async def test_a_single_lost_answer_leaves_the_report_standing(scene: Scene) -> None:
    scene.dashboards.follow(OWNER, CLUSTER, AT_REST)
    await scene.until(lambda: report_of(scene) is not None)
    scene.rays.answer("demo-head", Mode.BROKEN)
    await scene.looks(2)
    assert report_of(scene) is not None


async def test_a_lasting_silence_is_told_and_the_proxies_speak_for_themselves(scene: Scene) -> None:
    scene.dashboards.follow(OWNER, CLUSTER, AT_REST)
    await scene.until(lambda: report_of(scene) is not None)
    scene.rays.answer("demo-head", Mode.BROKEN)
    await scene.looks(3)
    observation = scene.dashboards.view("u1").observation
    assert observation is not None
    assert observation.failure is not None
    assert observation.failure.trouble is Trouble.SERVER_ERROR
    assert observation.proxies[WORKER.name] is ProxyHealth.OK
    assert observation.answered_at is not None


async def test_a_new_head_voids_what_the_old_one_said(scene: Scene) -> None:
    scene.dashboards.follow(OWNER, CLUSTER, AT_REST)
    await scene.until(lambda: report_of(scene) is not None)
    scene.rays.answer("demo-head", Mode.HUNG)
    scene.dashboards.follow(OWNER, replace(CLUSTER, head_uid="h2"), AT_REST)
    assert report_of(scene) is None


async def test_an_accepted_config_is_remembered_and_voids_the_report_before_it(
    scene: Scene,
) -> None:
    scene.dashboards.follow(OWNER, CLUSTER, AT_REST)
    await scene.until(lambda: report_of(scene) is not None)
    scene.dashboards.submit("u1", FRUIT)
    assert scene.dashboards.view("u1").submitting == FRUIT.config_hash
    await scene.until(lambda: scene.dashboards.view("u1").outcome is not None)
    outcome = scene.dashboards.view("u1").outcome
    assert isinstance(outcome, Accepted)
    assert (outcome.config_hash, outcome.head_uid) == ("v1:1", "h1")
    await scene.until(lambda: report_of(scene) is not None)
    assert len(scene.rays.received("demo")) == 1


async def test_two_submissions_at_once_are_one(scene: Scene) -> None:
    scene.dashboards.follow(OWNER, CLUSTER, AT_REST)
    scene.dashboards.submit("u1", FRUIT)
    scene.dashboards.submit("u1", FRUIT)
    await scene.until(lambda: scene.dashboards.view("u1").outcome is not None)
    assert len(scene.rays.received("demo")) == 1


async def test_a_refused_config_is_remembered_with_rays_words(scene: Scene) -> None:
    scene.rays.rejects = "no such field"
    scene.dashboards.follow(OWNER, CLUSTER, AT_REST)
    scene.dashboards.submit("u1", FRUIT)
    await scene.until(lambda: scene.dashboards.view("u1").outcome is not None)
    outcome = scene.dashboards.view("u1").outcome
    assert isinstance(outcome, Refused)
    assert outcome.text == "no such field"


async def test_an_unanswered_submission_says_when_to_try_again(scene: Scene) -> None:
    scene.rays.answer("demo-head", Mode.HUNG)
    scene.dashboards.follow(OWNER, CLUSTER, AT_REST)
    scene.dashboards.submit("u1", FRUIT)
    await scene.until(lambda: scene.dashboards.view("u1").outcome is not None)
    outcome = scene.dashboards.view("u1").outcome
    assert isinstance(outcome, Unanswered)
    assert outcome.failure.trouble is Trouble.TIMEOUT
    pause = outcome.retry_at - scene.clock.now()
    assert timedelta(seconds=1.6) <= pause <= timedelta(seconds=2.4)


async def test_a_head_that_becomes_ready_is_asked_at_once_although_it_refused_before(
    scene: Scene,
) -> None:
    scene.rays.answer("demo-head", Mode.REFUSED)
    scene.dashboards.follow(OWNER, replace(CLUSTER, is_head_ready=False), IN_TRANSITION)
    for _ in range(8):
        await scene.until(lambda: scene.clock.sleepers > 0)
        await scene.clock.pass_by(IN_TRANSITION.interval)
        await asyncio.sleep(0.02)
    scene.rays.answer("demo-head", Mode.NORMAL)
    scene.dashboards.follow(OWNER, CLUSTER, IN_TRANSITION)
    await scene.until(lambda: report_of(scene) is not None)


async def test_what_is_forgotten_is_asked_no_more(scene: Scene) -> None:
    scene.dashboards.follow(OWNER, CLUSTER, AT_REST)
    await scene.until(lambda: report_of(scene) is not None)
    scene.dashboards.keep_only(OWNER, frozenset())
    before = len(scene.rays.requests)
    await scene.clock.pass_by(timedelta(minutes=1))
    assert len(scene.rays.requests) == before
    assert scene.dashboards.view("u1").observation is None


async def test_a_cluster_is_drained_once_its_proxies_hold_no_request(scene: Scene) -> None:
    scene.rays.ongoing_requests = 1.0
    scene.dashboards.follow_drain(OWNER, CLUSTER)
    await scene.until(lambda: asked_for_metrics(scene) >= 2)
    assert not scene.dashboards.view("u1").is_drained
    scene.rays.ongoing_requests = 0.0
    for looks in (4, 6):
        await scene.until(lambda: scene.clock.sleepers >= 2)
        await scene.clock.pass_by(timedelta(seconds=2))
        await scene.until(functools.partial(has_scraped, scene, looks))
    await scene.until(lambda: scene.dashboards.view("u1").is_drained)


async def test_a_cluster_whose_metrics_cannot_be_had_counts_as_drained_after_a_while(
    scene: Scene,
) -> None:
    scene.rays.answer("demo", Mode.MISSING)
    scene.dashboards.follow_drain(OWNER, CLUSTER)
    for _ in range(14):
        await scene.until(lambda: scene.clock.sleepers >= 2)
        assert not scene.dashboards.view("u1").is_drained
        await scene.clock.pass_by(timedelta(seconds=2))
    await scene.until(lambda: scene.clock.sleepers >= 2)
    await scene.clock.pass_by(timedelta(seconds=2))
    await scene.until(lambda: scene.dashboards.view("u1").is_drained)


def has_scraped(scene: Scene, looks: int) -> bool:
    return asked_for_metrics(scene) >= looks


def asked_for_metrics(scene: Scene) -> int:
    return sum(1 for _, _, _, path in scene.rays.requests if path == "metrics")


async def test_an_agent_that_is_silent_for_long_is_told_though_the_dashboard_answers(
    scene: Scene,
) -> None:
    scene.dashboards.follow(OWNER, CLUSTER, AT_REST)
    await scene.until(lambda: report_of(scene) is not None)
    scene.rays.is_agent_dead = True
    await scene.looks(2)
    assert is_well(scene)
    await scene.looks(2)
    await scene.until(lambda: not is_well(scene))


def is_well(scene: Scene) -> bool:
    observation = scene.dashboards.view("u1").observation
    return observation is not None and observation.is_well


async def test_a_look_at_many_dead_pods_ends_in_time_and_comes_to_all_of_them_in_turn() -> None:
    """One by one, two hundred of them took minutes."""
    dead = tuple(PodAddress("default", f"demo-worker-{n}", "10.0.0.9") for n in range(25))
    cluster = replace(CLUSTER, pods=(*dead, HEAD))
    async with a_scene(replace(QUICK, round=timedelta(seconds=0.3))) as scene:
        scene.rays.answer("demo-head", Mode.BROKEN)
        scene.rays.answer("demo-worker", Mode.HUNG)
        scene.dashboards.follow(OWNER, cluster, AT_REST)
        await scene.until(lambda: proxies_known(scene) > 0)
        assert proxies_known(scene) < len(cluster.pods)
        for _ in cluster.pods:
            if proxies_known(scene) == len(cluster.pods):
                break
            await scene.looks(1, timedelta(minutes=2))
        observation = scene.dashboards.view("u1").observation
        assert observation is not None
        assert observation.proxies[HEAD.name] is ProxyHealth.DRAINING  # it says 500
        assert observation.proxies[dead[-1].name] is ProxyHealth.SILENT


def proxies_known(scene: Scene) -> int:
    observation = scene.dashboards.view("u1").observation
    return len(observation.proxies) if observation else 0


async def test_a_look_at_a_head_that_was_replaced_is_given_up_at_once() -> None:
    async with a_scene(Timeouts(read=timedelta(minutes=5))) as scene:
        scene.rays.answer("demo-head", Mode.HUNG)
        scene.dashboards.follow(OWNER, CLUSTER, AT_REST)
        await scene.until(lambda: len(scene.rays.requests) > 0)
        new = replace(CLUSTER, head=PodAddress("default", "demo-newer", "10.0.0.3"), head_uid="h2")
        scene.dashboards.follow(OWNER, new, AT_REST)
        await scene.until(lambda: report_of(scene) is not None)

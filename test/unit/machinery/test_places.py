import asyncio
from collections.abc import Iterable

from ray_operator.operator.keys import Key
from ray_operator.operator.places import Places
from support.fake_clock import settle

A, B, C = (Key("ns", name) for name in "abc")
ELSEWHERE = Key("elsewhere", "a")


class Crowd:
    """Owners that ask for places, and who got one, in order."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.inside: list[Key] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._doors: list[asyncio.Event] = []

    async def ask(self, owners: Iterable[Key]) -> None:
        for owner in owners:
            self.tasks.append(asyncio.create_task(self._stay(owner)))
        await settle()

    async def let_one_out(self) -> None:
        self._doors.pop(0).set()
        await settle()

    async def let_all_out(self) -> None:
        while self._doors:
            await self.let_one_out()

    async def _stay(self, owner: Key) -> None:
        async with self.places.of(owner):
            door = asyncio.Event()
            self.inside.append(owner)
            self._doors.append(door)
            await door.wait()


async def test_no_more_are_inside_than_there_are_places() -> None:
    crowd = Crowd(Places(3, 3))
    await crowd.ask([A] * 5)
    assert len(crowd.inside) == 3

    await crowd.let_all_out()
    assert len(crowd.inside) == 5


async def test_owners_have_turns_however_many_each_brings() -> None:
    crowd = Crowd(Places(1, 1))
    await crowd.ask([*[A] * 5, B, C])
    await crowd.let_all_out()

    assert crowd.inside == [A, A, B, C, A, A, A]


async def test_a_namespace_leaves_some_places_to_others() -> None:
    crowd = Crowd(Places(4, 3))
    await crowd.ask([A, B, C, A, ELSEWHERE])
    assert crowd.inside == [A, B, C, ELSEWHERE]

    await crowd.let_one_out()
    assert crowd.inside == [A, B, C, ELSEWHERE, A]
    await crowd.let_all_out()


async def test_who_gives_up_waiting_holds_no_place() -> None:
    crowd = Crowd(Places(1, 1))
    await crowd.ask([A, B, C])
    crowd.tasks[1].cancel()
    await crowd.let_one_out()

    assert crowd.inside == [A, C]
    await crowd.let_all_out()


async def test_who_gives_up_as_a_place_comes_passes_it_on() -> None:
    crowd = Crowd(Places(1, 1))
    await crowd.ask([A, B, C])
    crowd.tasks[0].cancel()  # its place goes to B …
    await asyncio.sleep(0)
    crowd.tasks[1].cancel()  # … that is gone before it could take it
    await settle()

    assert crowd.inside == [A, C]
    await asyncio.gather(*crowd.tasks[:2], return_exceptions=True)
    crowd.tasks[2].cancel()
    await asyncio.gather(*crowd.tasks, return_exceptions=True)

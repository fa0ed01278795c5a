"""A fruit stand for Ray Serve: `["MANGO", 2]` is answered with the price of two mangoes.

The deployments have the names of the sample manifests, which set each stand's price; a price
changed there is taken over by the running stand.
"""

from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.requests import Request

# Eleven deployments share a cluster of three CPUs.
SMALL = {"num_cpus": 0.1}


class Stand:
    """Sells one kind of fruit."""

    def __init__(self) -> None:
        self._price = 1

    def reconfigure(self, config: dict[str, int]) -> None:
        """Take over the manifest's `user_config`."""
        self._price = config["price"]

    def cost(self, amount: int) -> int:
        """What so many cost."""
        return self._price * amount


@serve.deployment(ray_actor_options=SMALL)
class MangoStand(Stand):
    """Mangoes."""


@serve.deployment(ray_actor_options=SMALL)
class OrangeStand(Stand):
    """Oranges."""


@serve.deployment(ray_actor_options=SMALL)
class PearStand(Stand):
    """Pears."""


@serve.deployment(ray_actor_options=SMALL)
class FruitMarket:
    """Knows the stands."""

    def __init__(self, **stands: DeploymentHandle) -> None:
        self._stands = stands

    async def cost(self, fruit: str, amount: int) -> int:
        """Ask the stand that has it; nobody sells what nobody has: -1."""
        stand = self._stands.get(fruit.lower())
        return await stand.cost.remote(amount) if stand else -1


@serve.deployment(ray_actor_options=SMALL)
class DAGDriver:
    """Speaks HTTP."""

    def __init__(self, market: DeploymentHandle) -> None:
        self._market = market

    async def __call__(self, request: Request) -> int:
        """`[fruit, amount]` in, the cost out."""
        fruit, amount = await request.json()
        return await self._market.cost.remote(fruit, amount)


deployment_graph = DAGDriver.bind(
    FruitMarket.bind(
        mango=MangoStand.bind(),
        orange=OrangeStand.bind(),
        pear=PearStand.bind(),
    )
)

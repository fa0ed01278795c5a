"""A calculator for Ray Serve that orders pizzas: `["MUL", 3]` multiplies, `["ADD", 2]` adds.

By what, the sample manifests say; the deployments have their names.
"""

from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.requests import Request
from starlette.responses import JSONResponse

# Eleven deployments share a cluster of three CPUs.
SMALL = {"num_cpus": 0.1}


@serve.deployment(ray_actor_options=SMALL)
class Adder:
    """Adds what its `user_config` says."""

    def __init__(self) -> None:
        self._increment = 1

    def reconfigure(self, config: dict[str, int]) -> None:
        """Take over the manifest's `user_config`."""
        self._increment = config["increment"]

    def result(self, value: int) -> int:
        """The sum."""
        return value + self._increment


@serve.deployment(ray_actor_options=SMALL)
class Multiplier:
    """Multiplies by what its `user_config` says."""

    def __init__(self) -> None:
        self._factor = 1

    def reconfigure(self, config: dict[str, int]) -> None:
        """Take over the manifest's `user_config`."""
        self._factor = config["factor"]

    def result(self, value: int) -> int:
        """The product."""
        return value * self._factor


@serve.deployment(ray_actor_options=SMALL)
class Router:
    """Knows who does what."""

    def __init__(self, **operations: DeploymentHandle) -> None:
        self._operations = operations

    async def result(self, operation: str, value: int) -> int:
        """Have it calculated."""
        return await self._operations[operation.lower()].result.remote(value)


def order(amount: int) -> str:
    """Put a number in words."""
    return f"{amount} pizzas please!"


create_order = serve.deployment(name="create_order", ray_actor_options=SMALL)(order)


@serve.deployment(ray_actor_options=SMALL)
class DAGDriver:
    """Speaks HTTP."""

    def __init__(self, router: DeploymentHandle, order: DeploymentHandle) -> None:
        self._router = router
        self._order = order

    async def __call__(self, request: Request) -> JSONResponse:
        """`[operation, value]` in, the order out, quoted as JSON is."""
        operation, value = await request.json()
        amount = await self._router.result.remote(operation, value)
        return JSONResponse(await self._order.remote(amount))


serve_dag = DAGDriver.bind(
    Router.bind(add=Adder.bind(), mul=Multiplier.bind()),
    create_order.bind(),
)

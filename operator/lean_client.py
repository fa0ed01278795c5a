"""Lets `kube.py` load five modules of the official client without the other seven hundred.

`import kubernetes.aio.client.configuration` runs the `__init__` of every package on the way, and
these import the blocking client, websockets, requests, oauthlib and pydantic: 22 MB of 75, and
0.25 s of a start, for nothing that is used here.  So this module, when it is imported, puts bare
packages in their places: the same names and paths, without the `__init__`.  Submodules load from
there as ever.

If somebody has imported the client before, or its layout changes, nothing is done: then it costs
memory, and works.
"""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

PACKAGES = (
    "kubernetes",
    "kubernetes.aio",
    "kubernetes.aio.client",
    "kubernetes.aio.config",
    "kubernetes.aio.utils",
)


class ApiClient:
    """Stands in for a name that the kubeconfig loader imports, for functions that we don't call."""


def prepare() -> None:
    """Make the next import of a submodule of the official client a lean one."""
    spec = find_spec(PACKAGES[0]) if PACKAGES[0] not in sys.modules else None
    if spec is None or not spec.submodule_search_locations:
        return
    root = Path(spec.submodule_search_locations[0])
    folders = {name: root.joinpath(*name.split(".")[1:]) for name in PACKAGES}
    if not all(folder.is_dir() for folder in folders.values()):
        return
    for name, folder in folders.items():
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        package.__spec__ = ModuleSpec(name, None, is_package=True)
        sys.modules[name] = package
    complete(sys.modules["kubernetes.aio.client"])


def complete(client: ModuleType) -> None:
    """Give the bare `kubernetes.aio.client` the two names that the configuration loaders want."""
    configuration = import_module("kubernetes.aio.client.configuration")
    vars(client).update(Configuration=configuration.Configuration, ApiClient=ApiClient)


prepare()

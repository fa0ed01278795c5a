"""kubectl on the cluster that is ours."""

import json
from typing import TypeAlias

from hack.cluster.shell import Shell

Manifest: TypeAlias = dict[str, object]


def apply(shell: Shell, *manifests: Manifest) -> None:
    """Apply objects."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
    shell.run(
        "kubectl", "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text.encode()
    )


def apply_text(shell: Shell, text: str) -> None:
    """Apply the objects of a YAML text."""
    shell.run("kubectl", "apply", "-f", "-", stdin=text.encode())

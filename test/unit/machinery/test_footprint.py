"""What the process loads, seen from a fresh interpreter: memory is won and lost at imports."""

import json
import subprocess
import sys

import pytest

MODULES = """
import json, sys
import ray_operator.operator.main
print(json.dumps(sorted(sys.modules)))
"""


@pytest.fixture(scope="module")
def modules() -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", MODULES], check=True, capture_output=True, text=True, timeout=60
    )
    found: list[str] = json.loads(done.stdout)
    return found


def test_no_generated_model_is_loaded(modules: list[str]) -> None:
    assert [name for name in modules if ".models." in name] == []


@pytest.mark.parametrize("package", ["requests", "oauthlib", "websocket", "opentelemetry"])
def test_nothing_is_loaded_that_only_other_users_of_the_client_need(
    modules: list[str], package: str
) -> None:
    assert [name for name in modules if name.split(".")[0] == package] == []


def test_the_client_works_also_if_somebody_has_imported_it_whole() -> None:
    program = "import kubernetes.client, ray_operator.operator.kube as k; print(k.Kube.__name__)"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )

    assert done.stdout.strip() == "Kube"

"""Guards of the layout: the repository root is the package `ray_operator`."""

import configparser
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE_FOLDERS = ("operator", "api", "controllers")


def packages_on_disk() -> set[str]:
    """Every folder below the three that holds Python modules, as an import name."""
    return {
        ".".join(("ray_operator", *module.parent.relative_to(ROOT).parts))
        for folder in PACKAGE_FOLDERS
        for module in (ROOT / folder).rglob("*.py")
    }


def test_the_list_of_packages_in_setup_cfg_is_what_is_on_disk() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = set(setup["options"]["packages"].split())
    assert listed == packages_on_disk()


def test_operator_is_a_namespace_folder() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists(), (
        "operator/__init__.py would hide the standard library's operator "
        "from every program that starts in the repository root"
    )


def test_pip_still_starts_in_the_repository_root() -> None:
    subprocess.run([sys.executable, "-m", "pip", "--version"], cwd=ROOT, check=True)


def test_no_machinery_module_is_named_like_one_of_the_standard_library() -> None:
    ours = {module.stem for module in (ROOT / "operator").glob("*.py")}
    assert not ours & sys.stdlib_module_names

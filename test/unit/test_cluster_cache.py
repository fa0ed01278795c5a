"""A kept thing is found again exactly when it is whole and made of the same."""

from pathlib import Path

import pytest

from hack.cluster.cache import Cache, key, link, whole


def a_folder(where: Path, **files: str) -> Path:
    where.mkdir()
    for name, text in files.items():
        (where / name).write_text(text)
    return where


def test_a_key_is_the_same_wherever_the_clone_lies(tmp_path: Path) -> None:
    for clone in ("one", "two"):
        (tmp_path / clone).mkdir()
        a_folder(tmp_path / clone / "go", main="code")
    assert key(tmp_path / "one" / "go") == key(tmp_path / "two" / "go")


def test_a_key_follows_content_names_and_order(tmp_path: Path) -> None:
    first = key(a_folder(tmp_path / "first", main="code"), "v1", "v2")
    (tmp_path / "first" / "main").write_text("other code")
    changed = key(tmp_path / "first", "v1", "v2")
    (tmp_path / "first" / "main").rename(tmp_path / "first" / "renamed")
    renamed = key(tmp_path / "first", "v1", "v2")
    swapped = key(tmp_path / "first", "v2", "v1")
    assert len({first, changed, renamed, swapped}) == 4


def test_joined_texts_are_not_the_same_as_one() -> None:
    assert key("ab", "c") != key("a", "bc")


def test_compiled_python_does_not_count(tmp_path: Path) -> None:
    folder = a_folder(tmp_path / "code", main="code")
    before = key(folder)
    a_folder(folder / "__pycache__", main="bytecode")
    assert key(folder) == before


def interrupted(target: Path) -> None:
    with whole(target) as new:
        a_folder(new, half="of it")
        raise KeyboardInterrupt


def test_what_is_interrupted_is_not_there(tmp_path: Path) -> None:
    target = tmp_path / "thing"
    with pytest.raises(KeyboardInterrupt):
        interrupted(target)
    assert not target.exists()


def test_the_rest_of_an_interrupted_run_is_no_part_of_the_next(tmp_path: Path) -> None:
    target = tmp_path / "thing"
    with pytest.raises(KeyboardInterrupt):
        interrupted(target)
    with whole(target) as new:
        a_folder(new, all="of it")
    assert [file.name for file in target.iterdir()] == ["all"]


def test_a_link_is_replaced(tmp_path: Path) -> None:
    name = tmp_path / "bin" / "kind"
    link(Path("/old/kind"), name)
    link(Path("/new/kind"), name)
    assert name.readlink() == Path("/new/kind")


def test_the_cache_is_where_the_user_keeps_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Cache.default().root == tmp_path / "ray-operator"

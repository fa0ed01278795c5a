"""Versions of Ray, as people write them in `rayVersion` and in the tags of images.

A version is an optional `v`, then at least two numbers joined by dots; whatever follows is ignored
(`2.53.0.dev0`, `2.9-py310`).  What is no version (empty, `nightly`, `latest`) counts as older than
any minimum, because a feature that Ray lacks breaks a cluster, and one left out doesn't.
"""

import re

Version = tuple[int, int, int]

_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")


def parse_version(text: str | None) -> Version | None:
    """Return the first three numbers of a version (0 for a missing third), or `None`."""
    found = _VERSION.match((text or "").strip())
    if found is None:
        return None
    major, minor, patch = found.groups(default="0")
    return int(major), int(minor), int(patch)


def is_at_least(version: str | None, minimum: str) -> bool:
    """Tell whether `version` is `minimum` or newer; an unparseable version is not.

    Raises:
        ValueError: `minimum` is no version.
    """
    wanted = parse_version(minimum)
    if wanted is None:
        raise ValueError(f"{minimum!r} is no version")
    found = parse_version(version)
    return found is not None and found >= wanted


def image_version(image: str) -> Version | None:
    """Return the version in an image's tag (`rayproject/ray:2.9.0-py310`), or `None`.

    A digest after the tag is ignored; the port of a registry is no tag.
    """
    name = image.partition("@")[0].rpartition("/")[2]
    return parse_version(name.partition(":")[2])


def is_image_older(image: str, minimum: str) -> bool:
    """Tell whether an image's tag names a Ray older than `minimum`."""
    version = image_version(image)
    return version is not None and not is_at_least(".".join(map(str, version)), minimum)

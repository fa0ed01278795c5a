"""Versions of Ray in rayVersion and in image tags."""

import pytest

from ray_operator.api.versions import (
    Version,
    image_version,
    is_at_least,
    is_image_older,
    parse_version,
)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("2.53.0", (2, 53, 0)),
        ("v2.53.0", (2, 53, 0)),
        ("2.53", (2, 53, 0)),
        ("2.100.0", (2, 100, 0)),
        ("2.9.0rc1", (2, 9, 0)),
        ("2.9-py310", (2, 9, 0)),
        ("2.53.0.dev0", (2, 53, 0)),
        (" 2.9.0 ", (2, 9, 0)),
        ("2", None),
        ("nightly", None),
        ("", None),
        (None, None),
    ],
)
def test_a_version_is_its_first_three_numbers(text: str | None, want: Version | None) -> None:
    assert parse_version(text) == want


@pytest.mark.parametrize(
    ("version", "minimum", "want"),
    [
        ("2.53.0", "2.53", True),
        ("2.100.0", "2.53.0", True),
        ("2.9.0", "2.53.0", False),
        ("2.53", "2.53.1", False),
        ("nightly", "2.0", False),
        ("", "2.0", False),
    ],
)
def test_numbers_are_compared_as_numbers_and_no_version_is_old(
    version: str,
    minimum: str,
    want: bool,  # noqa: FBT001  # a column of the table
) -> None:
    assert is_at_least(version, minimum) is want


@pytest.mark.parametrize(
    ("image", "want"),
    [
        ("rayproject/ray:2.6.3", (2, 6, 3)),
        ("rayproject/ray:2.9.0-py310-gpu", (2, 9, 0)),
        ("registry:5000/ray", None),
        ("registry:5000/ray:2.10.0@sha256:abc", (2, 10, 0)),
        ("rayproject/ray:nightly", None),
        ("", None),
    ],
)
def test_the_version_of_an_image_is_in_its_tag(image: str, want: Version | None) -> None:
    assert image_version(image) == want


def test_only_a_tag_that_names_an_older_ray_makes_an_image_older() -> None:
    assert is_image_older("rayproject/ray:2.6.3", "2.53.0")
    assert not is_image_older("rayproject/ray:2.53.0", "2.53.0")
    assert not is_image_older("mine/ray:prod", "2.53.0")

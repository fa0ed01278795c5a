"""The number of pods that a worker group is to have."""

from typing import Any

import pytest

from ray_operator.api.scaling import desired_pods
from support.vectors import read_vectors


@pytest.mark.parametrize("case", read_vectors("desired_pods")["cases"], ids=str)
def test_a_group_has_the_pods_of_the_vectors(case: dict[str, Any]) -> None:
    assert desired_pods(case) == case["want"]


def test_a_group_without_any_number_has_no_pods() -> None:
    assert desired_pods({}) == 0

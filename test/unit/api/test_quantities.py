"""Quantities are exact, whatever they are written like."""

from decimal import Decimal

import pytest

from ray_operator.api.quantities import (
    add_quantities,
    exact_text,
    format_quantity,
    parse_quantity,
    whole,
)
from support.vectors import read_vectors


@pytest.mark.parametrize(("given", "want"), read_vectors("spec_hash")["quantities"])
def test_equal_quantities_are_the_same_plain_decimal(given: object, want: str) -> None:
    assert exact_text(given) == want


@pytest.mark.parametrize(
    "given",
    ["", "lots", "1 Gi", "1gi", "1e999999999", "9" * 100, None, True, [], {}, "1m1"],
)
def test_what_is_no_quantity_is_refused(given: object) -> None:
    assert parse_quantity(given) is None
    assert exact_text(given) is None


def test_no_digit_is_lost() -> None:
    assert exact_text("0.123456789") == "0.123456789"
    assert exact_text("15Ei") == str(15 * 2**60)
    assert exact_text("1n") == "0.000000001"
    assert exact_text("123456789012345678901234567890Ei") == str(
        123456789012345678901234567890 * 2**60,
    )


def test_zero_is_zero_however_it_is_written() -> None:
    assert {exact_text(zero) for zero in ("0", "0.0", "-0", "0m", 0, "0Gi")} == {"0"}


def test_a_sum_keeps_the_notation_of_its_first_term() -> None:
    assert add_quantities([("1Gi", 2), ("512Mi", 1)]) == "2560Mi"
    assert add_quantities([("500m", 3), ("1", 1)]) == "2500m"
    assert add_quantities([("0", 1), ("4Gi", 2)]) == "8Gi"
    assert add_quantities([("1000M", 1), ("1Gi", 0)]) == "1G"
    assert add_quantities([]) == "0"
    assert add_quantities([("nonsense", 3), ("2", 1)]) == "2"


def test_a_number_is_rounded_up_to_whole_ones() -> None:
    assert whole(Decimal("0.1")) == 1
    assert whole(Decimal(2)) == 2


def test_what_is_smaller_than_a_billionth_is_rounded_up_to_one() -> None:
    assert format_quantity(Decimal("1e-10"), binary=False) == "1n"

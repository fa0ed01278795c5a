"""Kubernetes quantities as exact numbers, and sums of them as Kubernetes would print them.

Rules: `k8s.io/apimachinery/pkg/api/resource.Quantity`.  Only what says so rounds.
"""

import re
from collections.abc import Iterable
from decimal import ROUND_CEILING, Context, Decimal

_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
}
_QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))"
    r"(?:(?P<unit>[KMGTPE]i|[numkMGTPE])|[eE](?P<power>[+-]?\d+))?",
)
_HIGHEST_POWER = 64
"""Far above any real quantity; keeps a typo like 1e999999999 from filling the memory."""
_LONGEST = 64
"""Digits of a quantity that are looked at; more is no quantity but an attack."""
_EXACT = Context(prec=2 * _LONGEST + _HIGHEST_POWER)
"""So precise that no product or sum of quantities is rounded."""


def parse_quantity(value: object) -> Decimal | None:
    """Return the value of a quantity written as text or number; `None` if it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value).strip()
    found = _QUANTITY.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        return None
    number = Decimal(found["number"])
    if found["power"]:
        power = int(found["power"])
        return number.scaleb(power, _EXACT) if abs(power) <= _HIGHEST_POWER else None
    unit = found["unit"] or ""
    return _EXACT.multiply(number, Decimal(_BINARY.get(unit) or _DECIMAL[unit]))


def exact_text(value: object) -> str | None:
    """Write a quantity as a plain decimal without unit or trailing zeros; `None` if it is none.

    Equal quantities give equal texts: `2000m`, `2.0` and 2 are `2`; `4Gi` is `4294967296`.
    """
    number = parse_quantity(value)
    if number is None:
        return None
    text = f"{number:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).removeprefix("-0") or "0"


def whole(value: Decimal) -> int:
    """Round up to a whole number, as `Quantity.Value` does."""
    return int(value.to_integral_value(ROUND_CEILING))


def is_binary(text: object) -> bool:
    """Tell whether a quantity is written with a binary unit (`Ki`, `Mi`, …)."""
    return isinstance(text, str) and text.strip()[-2:] in _BINARY


def add_quantities(terms: Iterable[tuple[object, int]]) -> str:
    """Return the sum of quantities, each taken a number of times, in Kubernetes' canonical form.

    The sum keeps the notation (binary or decimal) of its first term that is not zero, as
    `Quantity.Add` does.  Terms that are no quantities are left out: the API server refuses them.
    """
    total = Decimal(0)
    binary: bool | None = None
    for text, times in terms:
        value = parse_quantity(text)
        if not value or not times:
            continue
        binary = is_binary(text) if binary is None else binary
        total = _EXACT.add(total, _EXACT.multiply(value, Decimal(times)))
    return format_quantity(total, binary=bool(binary))


def format_quantity(value: Decimal, *, binary: bool) -> str:
    """Print a value with the largest unit that keeps the number whole; zero is `0`."""
    if not value:
        return "0"
    if binary and value == value.to_integral_value():
        return _largest(value, {unit: Decimal(size) for unit, size in _BINARY.items()})
    return _largest(value, _DECIMAL)


def _largest(value: Decimal, units: dict[str, Decimal]) -> str:
    for unit, size in sorted({**units, "": Decimal(1)}.items(), key=lambda entry: -entry[1]):
        number = _EXACT.divide(value, size)
        if number == number.to_integral_value():
            return f"{int(number)}{unit}"
    return f"{whole(value * 10**9)}n"

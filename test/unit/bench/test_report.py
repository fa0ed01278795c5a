"""Percentiles, tables, and the verdicts on the figures."""

import math

import pytest

from hack.bench.measurement import Calls, Cost, Result, percentile
from hack.bench.report import table, tables
from hack.bench.targets import Results, verdicts


def a_cost(*, operator: float = 0.5, peak_mb: float = 100, others: float = 0) -> Cost:
    """What 100 clusters took in 10 s."""
    return Cost(
        seconds=10,
        operator_cpu=operator,
        plane_cpu=8,
        bench_cpu=1,
        others_cpu=others,
        peak_mb=peak_mb,
    )


def a_result(
    scenario: str,
    seconds: float = 10,
    cost: Cost | None = None,
    writes: int = 900,
    **figures: float,
) -> Result:
    """A scenario with 100 objects."""
    return Result(
        scenario,
        objects=100,
        seconds=seconds,
        cost=cost or a_cost(),
        latencies=(1.0, 2.0),
        calls=Calls({"create pods": 600}, writes=writes),
        figures=figures,
    )


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (90, 90), (99, 99), (100, 100)])
def test_a_percentile_is_a_value_that_was_measured(percent: float, expected: float) -> None:
    assert percentile(range(100, 0, -1), percent) == expected


def test_of_one_value_every_percentile_is_that_value() -> None:
    assert {percentile([7.0], percent) for percent in (1, 50, 99)} == {7.0}


def test_of_nothing_there_is_no_percentile() -> None:
    assert math.isnan(percentile([], 50))


def test_a_table_aligns_numbers_to_the_right_and_words_to_the_left() -> None:
    text = table(("what", "count"), [("a", "1,000"), ("longer", "2")])
    assert text.splitlines() == [
        "  what    count",
        "  a       1,000",
        "  longer      2",
    ]


def test_a_figure_at_its_target_is_reached_and_one_beyond_is_not() -> None:
    floor = {"burst": a_result("burst", seconds=10)}
    at = verdicts(Results({"burst": a_result("burst", seconds=13)}, floor))
    beyond = verdicts(Results({"burst": a_result("burst", seconds=13.1, writes=901)}, floor))
    assert [verdict.is_reached for verdict in at] == [True, True, True]
    assert [verdict.is_reached for verdict in beyond] == [False, False, True]


def test_what_was_not_measured_is_not_judged() -> None:
    assert verdicts(Results({}, {})) == []


def test_a_small_cluster_is_judged_by_what_it_waits_beyond_its_time_alone() -> None:
    results = {
        "scale": a_result("scale", small_alone_seconds=2.0, small_meanwhile_seconds=2.9),
    }
    (verdict,) = verdicts(Results(results, {}))
    assert (verdict.measured.split(" (")[0], verdict.is_reached) == ("+0.90 s", True)


def test_a_needless_write_at_rest_or_after_a_restart_is_a_miss() -> None:
    results = {
        "rest": a_result("rest", writes=1, cpu_percent=0.1),
        "restart-stop": a_result("restart-stop", seconds=2, writes=1, filled_seconds=1),
    }
    missed = [v.what for v in verdicts(Results(results, {})) if not v.is_reached]
    assert missed == [
        "10 s at rest with 100 clusters: writes",
        "graceful stop with 100 clusters: needless writes",
    ]


def test_the_report_says_when_others_used_the_machine() -> None:
    quiet = tables(Results({"churn": a_result("churn")}, {}))
    busy = tables(Results({"churn": a_result("churn", cost=a_cost(others=5))}, {}))
    assert "Other programs" not in quiet
    assert "Other programs used more than 10% of a core during: churn." in busy


def test_the_floor_stands_above_the_operator_without_figures_of_an_operator() -> None:
    report = tables(Results({"burst": a_result("burst")}, {"burst": a_result("burst")}))
    rows = [line.split() for line in report.splitlines() if line.startswith("  burst")]
    assert rows[0][:4] == ["burst,", "floor", "100", "10.0"]
    assert rows[1][:3] == ["burst", "100", "10.0"]
    assert len(rows[1]) == len(rows[0]) + 1

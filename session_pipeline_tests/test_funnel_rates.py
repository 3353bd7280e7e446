"""Tests that funnels with any options have the same numbers in the summary of `run`, the report and funnel_steps."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from session_pipeline.cli.summary import Summary, gather, show
from session_pipeline.publish import reader
from session_pipeline.report import figures
from session_pipeline.run.opened import open_folder
from session_pipeline.run.outcome import Outcome
from session_pipeline_tests.deployment import Deployment

DAY = date(2024, 3, 15)
STEPS = [{"name": name, "where": f"event_name = '{name}'"} for name in "abc"]
SETTINGS: Mapping[str, Any] = {
    "funnels": [
        {
            "name": "shop",
            "steps": [
                {"name": "cart", "where": "event_name = 'add_to_cart'"},
                {"name": "purchase", "where": "event_name = 'purchase'"},
            ],
            "exclusions": [{"where": "event_name = 'log_out'"}],
        },
        {"name": "optional", "steps": [STEPS[0], STEPS[1] | {"optional": True}, STEPS[2]]},
        {
            "name": "any",
            "entry": "any",
            "steps": STEPS,
            "exclusions": [{"where": "event_name = 'log_out'", "after_step": 2}],
        },
    ]
}
VISITS = (
    *[["add_to_cart", "log_out", "purchase"]] * 2,
    *[["add_to_cart", "purchase"]] * 1,
    *[["add_to_cart", "search"]] * 3,
    *[["a"]] * 2,
    *[["a", "b", "c"]] * 3,
    *[["a", "c"]] * 5,
    *[["a", "b"]] * 2,
    *[["b", "c"]] * 15,
    *[["b", "log_out"]] * 1,
)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """Six visitors add to the cart: two are excluded, one of the other four buys. 28 visitors do some of a, b, c."""
    deployment = Deployment(tmp_path_factory.mktemp("data"), SETTINGS)
    lines = [
        {
            "event_id": f"{visitor}-{minute}",
            "visitor_id": f"v{visitor}",
            "event_time": f"{DAY}T10:{minute:02}:00Z",
            "event_name": name,
        }
        for visitor, names in enumerate(VISITS)
        for minute, name in enumerate(names)
    ]
    deployment.deliver("visits", lines)
    deployment.run(until=DAY)
    return deployment


@pytest.fixture(scope="module")
def summary(deployment: Deployment) -> Summary:
    with open_folder(deployment.folder) as opened:
        return gather(opened, Outcome(), warnings=[], seconds=0)


@pytest.mark.long
def test_run_report_and_funnel_steps_show_the_same_rates(deployment: Deployment, summary: Summary) -> None:
    with reader.connect(deployment.folder.path) as warehouse:
        reported = figures.read(warehouse, "UTC").rows("funnels")
        steps = warehouse.execute(
            "select funnel, step, reached_count, conversion_rate, if(step_number > 1, step_conversion_rate, null)"
            " from funnel_steps order by funnel, step_number"
        ).fetchall()
    assert [row[1:] for row in steps if row[0] == "shop"] == [("cart", 4, 1.0, None), ("purchase", 1, 0.25, 0.25)]
    assert [row[1:] for row in steps if row[0] == "optional"] == [
        ("a", 12, 1.0, None),
        ("b", 5, 5 / 12, 5 / 12),
        ("c", 8, 8 / 12, 8 / 12),
    ]
    names = ("funnel", "step", "reached_count", "conversion_rate", "step_conversion_rate")
    for site in (None, "main"):  # all sites together, and the only one
        assert [tuple(row[name] for name in names) for row in reported if row["site"] == site] == steps
    printed = [
        (funnel, step, count, count / base)
        for funnel in sorted(summary.results.funnels)
        for (step, count), base in zip(summary.results.funnels[funnel], summary.results.bases[funnel], strict=True)
    ]
    assert printed == [row[:4] for row in steps]
    assert summary.results.excluded == {"shop": 2, "optional": 0, "any": 1}


@pytest.mark.long
def test_run_prints_excluded_entries(summary: Summary, capsys: pytest.CaptureFixture[str]) -> None:
    show(summary)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["Funnel", "shop", "(2", "excluded", "attempts", "not", "counted)"] in lines
    assert ["purchase", "1", "25.0%"] in [[*line[:2], "".join(line[2:])] for line in lines]

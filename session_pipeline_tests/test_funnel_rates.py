"""Tests that a funnel with exclusions has the same numbers in the summary of `run`, the report and funnel_steps."""

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
SETTINGS: Mapping[str, Any] = {
    "funnels": [
        {
            "name": "shop",
            "steps": [
                {"name": "cart", "where": "event_name = 'add_to_cart'"},
                {"name": "purchase", "where": "event_name = 'purchase'"},
            ],
            "exclusions": [{"where": "event_name = 'log_out'"}],
        }
    ]
}
VISITS = (
    *[["add_to_cart", "log_out", "purchase"]] * 2,
    *[["add_to_cart", "purchase"]] * 1,
    *[["add_to_cart", "search"]] * 3,
)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """Six visitors add to the cart. Two are excluded, and one of the other four buys."""
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
            "select step, entered_count - excluded_count, conversion_rate from funnel_steps order by step_number"
        ).fetchall()
    assert steps == [("cart", 4, 1.0), ("purchase", 1, 0.25)]
    assert [(row["step"], row["reached_count"], row["conversion_rate"]) for row in reported] == steps
    assert summary.funnels == {"shop": [("cart", 4), ("purchase", 1)]}
    assert summary.excluded == {"shop": 2}


def test_run_prints_excluded_entries(summary: Summary, capsys: pytest.CaptureFixture[str]) -> None:
    show(summary)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["Funnel", "shop", "(2", "excluded", "attempts", "not", "counted)"] in lines
    assert ["purchase", "1", "25.0%"] in [[*line[:2], "".join(line[2:])] for line in lines]

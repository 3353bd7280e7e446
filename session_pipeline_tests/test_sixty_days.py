"""Tests sixty simulated days run by schedule and sensors: every day is right and every alert is sent exactly once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from session_pipeline.checks import ledger_closes
from session_pipeline.run.pipeline import open_run
from session_pipeline.tables import TABLES
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.simulation.shop_events import DAYS, EXPECTED, GOOD, LAST, moment
from session_pipeline_tests.simulation.sixty_days import Simulation, simulation_in

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(7200)]

# Tables that record how the data was built: from which files, when, by which run.
RECORDS_OF_BUILDS = {"source_files", "warehouse_info"}


def test_schedule_and_sensors_through_sixty_days(tmp_path: Path) -> None:
    # One test instead of one for each promise: a runner may distribute tests, and each would simulate all sixty days.
    with simulation_in(tmp_path, print) as simulation:
        simulation.run()
        require_every_alert_once(simulation)
        require_right_days(simulation, clean_run(simulation, tmp_path / "clean"))
        require_every_line(simulation)
        require_only_forward(simulation)
        require_skipped_ticks_only_without_settings(simulation)


def clean_run(simulation: Simulation, folder: Path) -> Deployment:
    """Return one run over all content that ever arrived complete, with the correct settings."""
    deployment = Deployment(folder, GOOD)
    for number, arrived in enumerate(simulation.delivered):
        path = deployment.folder.raw / Path(arrived.path).parent / f"{number} {Path(arrived.path).name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(arrived.data)
    deployment.run(LAST)
    return deployment


def require_every_alert_once(simulation: Simulation) -> None:
    assert [(alert["day"], alert["what"], alert["about"]) for alert in simulation.alerts] == list(EXPECTED)


def require_right_days(simulation: Simulation, clean: Deployment) -> None:
    assert simulation.deployment.hashes() == clean.hashes()
    assert rows(simulation.deployment) == rows(clean)


def require_every_line(simulation: Simulation) -> None:
    with open_run(simulation.deployment.folder, run_id="test") as run:
        verdict = ledger_closes(run, [])
        assert run.until == LAST
        assert run.plan().is_empty
    assert verdict.holds, verdict.sentence
    assert verdict.figures["set_aside"] == 9
    assert verdict.figures["waiting"] == 0


def require_only_forward(simulation: Simulation) -> None:
    assert simulation.published == sorted(simulation.published)
    assert len({generation for generation, _ in simulation.published}) == len(simulation.published) >= DAYS / 2
    assert simulation.published[-1][1] == LAST


def require_skipped_ticks_only_without_settings(simulation: Simulation) -> None:
    assert not simulation.failed_ticks
    assert simulation.skipped_ticks
    assert all(moment(12, "16:00") <= at <= moment(13, "11:00") for at in simulation.skipped_ticks)


def rows(deployment: Deployment) -> Mapping[str, Any]:
    """Return all rows of the warehouse, except of tables that record how the data was built."""
    with duckdb.connect(str(deployment.folder.warehouse), read_only=True) as connection:
        # Some tables are published only with certain settings.
        shown = {name for (name,) in connection.execute("select table_name from information_schema.tables").fetchall()}
        return {
            name: sorted(map(str, connection.execute(f"select * from {name}").fetchall()))
            for name, contract in TABLES.items()
            if name in shown and not contract.is_log and name not in RECORDS_OF_BUILDS
        }

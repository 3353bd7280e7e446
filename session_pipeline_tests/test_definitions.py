"""Tests the Dagster definitions: they load without a warning and describe each table, job, schedule and sensor."""

import os
import runpy
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
import yaml
from dagster._core.definitions.freshness import CronFreshnessPolicy
from dagster._core.instance.config import dagster_instance_config_schema
from dagster._core.instance.ref import InstanceRef
from dagster._utils.schedules import get_latest_completed_cron_tick

from session_pipeline.checks import CHECKS
from session_pipeline.data_folder import ENVIRONMENT_VARIABLE, DataFolder
from session_pipeline.defs import home, local_runs, tags
from session_pipeline.defs.deployment import make_definitions
from session_pipeline.errors import SettingsFileError
from session_pipeline_tests.built_tables import TABLES
from session_pipeline_tests.deployment import Deployment

ROOT = Path(__file__).resolve().parents[1]
INGESTED = {"raw_events", "quarantined_lines", "source_files"}
SETTINGS = {
    "timezone": "Europe/Berlin",
    "daily_at": "04:30",
    "sources": {"shop": {"expected_by": "06:15"}, "app": {}},
}


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return make_definitions(Deployment(tmp_path_factory.mktemp("data"), SETTINGS).folder)


@pytest.fixture(scope="module")
def specs(definitions: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}


def test_every_table_is_an_asset_described_by_its_contract(specs: dict[str, dg.AssetSpec]) -> None:
    assert specs.keys() == (TABLES.keys() - {"warehouse_info"}) | {"warehouse", "lake", "report"}
    for name, spec in specs.items():
        assert spec.owners == ["team:data"], name
        assert spec.kinds, name
        assert spec.description, name
        if name not in TABLES:
            assert spec.group_name == "publish"
            continue
        contract = TABLES[name]
        assert spec.group_name == contract.group
        assert spec.description.startswith(contract.grain)
        columns = spec.metadata["dagster/column_schema"].columns
        names = [column.name for column in contract.columns]
        assert [column.name for column in columns] == names + ([contract.date_column] if contract.date_column else [])
        assert all(column.description for column in columns), name
        assert ("store only" in spec.description) is not contract.is_published


def test_only_columns_that_are_unique_in_the_whole_table_are_shown_as_unique(specs: dict[str, dg.AssetSpec]) -> None:
    unique = {
        (name, column.name)
        for name, spec in specs.items()
        if name in TABLES
        for column in spec.metadata["dagster/column_schema"].columns
        if column.constraints.unique
    }
    of_sessions = {(name, "session_id") for name in ("sessions", "session_outcomes", "session_facts")}
    assert unique == {("source_files", "file_id"), ("user_agents", "user_agent_id")} | of_sessions
    assert specs["daily_summary"].metadata["key"] == "site, within a session_date"


def test_partitions_are_days_in_the_configured_time_zone(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for name, contract in TABLES.items():
        if name == "warehouse_info":
            continue
        partitions = graph.get(dg.AssetKey(name)).partitions_def
        if contract.date_column is None or name == "raw_events" or contract.is_log:
            assert partitions is None, name
            continue
        assert isinstance(partitions, dg.DailyPartitionsDefinition), name
        assert partitions.timezone == "Europe/Berlin"
        assert partitions.get_num_partitions() == 1, "without data there is one day that may be missing"
        assert graph.get(dg.AssetKey(name)).backfill_policy == dg.BackfillPolicy.single_run()


def test_sessionize_depends_on_its_previous_day(specs: dict[str, dg.AssetSpec]) -> None:
    def before(name: str) -> set[str]:
        return {dep.asset_key.to_user_string() for dep in specs[name].deps if dep.partition_mapping is not None}

    for name in ("events", "duplicate_events", "open_sessions", "recent_event_ids"):
        assert before(name) == {name}
    assert before("sessions") == set()


def test_ingest_and_build_jobs_split_the_assets(definitions: dg.Definitions) -> None:
    def of(job: str) -> tuple[set[str], set[str]]:
        layer = definitions.resolve_job_def(job).asset_layer
        assets = {key.to_user_string() for key in layer.executable_asset_keys}
        return assets, {key.name for key in layer.asset_graph.asset_check_keys}

    assert of("ingest") == (INGESTED, {"set_aside_rate", "source_arrived", "visitor_key_kept"})
    assets, checks = of("build")
    assert assets == (TABLES.keys() - INGESTED - {"warehouse_info"}) | {"warehouse", "lake", "report"}
    assert checks == {check.name for check in CHECKS} - {"set_aside_rate", "source_arrived", "visitor_key_kept"}
    for job in ("ingest", "build"):
        assert definitions.resolve_job_def(job).executor_def is dg.in_process_executor


def test_schedule_and_sensors_are_on_by_default(definitions: dg.Definitions) -> None:
    schedule = definitions.resolve_schedule_def("daily")
    assert schedule.cron_schedule == ["15 6 * * *", "30 4 * * *"]
    assert schedule.execution_timezone == "Europe/Berlin"
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert schedule.job_name == "ingest"
    assert schedule.tags[tags.REASON] == "schedule"
    for name, job in (("landing", "ingest"), ("stale_days", "build")):
        sensor = definitions.resolve_sensor_def(name)
        assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
        assert sensor.job_name == job
    assert definitions.resolve_sensor_def("alerts").default_status is dg.DefaultSensorStatus.RUNNING


def test_warehouse_is_due_two_hours_after_the_last_data(specs: dict[str, dg.AssetSpec]) -> None:
    policy = specs["warehouse"].freshness_policy
    assert policy == dg.FreshnessPolicy.cron("15 8 * * *", timedelta(hours=9, minutes=15), "Europe/Berlin")


@pytest.mark.parametrize("daily_at", ["00:00", "03:00", "20:59"])
def test_warehouse_is_fresh_only_if_it_was_published_since_midnight(daily_at: str, tmp_path: Path) -> None:
    """Dagster compares the latest publication with this time before the deadline, on days of 23 and 25 hours, too."""
    berlin = ZoneInfo("Europe/Berlin")
    sources = {"web": {"expected_by": "00:00"}}
    deployment = Deployment(tmp_path / "data", {"timezone": "Europe/Berlin", "daily_at": daily_at, "sources": sources})
    definitions = make_definitions(deployment.folder)
    [policy] = [spec.freshness_policy for spec in definitions.resolve_all_asset_specs() if spec.freshness_policy]
    assert isinstance(policy, CronFreshnessPolicy)
    for day in (date(2026, 3, 29), date(2026, 7, 1), date(2026, 10, 25)):
        midnight = datetime.combine(day, time(), berlin).astimezone(UTC)
        now = midnight + timedelta(days=1)  # after the deadline, and before the next one
        deadline = get_latest_completed_cron_tick(policy.deadline_cron, now, policy.timezone)
        assert deadline is not None
        assert midnight - timedelta(hours=2) <= deadline - policy.lower_bound_delta <= midnight


def test_warehouse_that_is_due_after_midnight_can_be_published_all_day(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", {"daily_at": "23:30", "sources": {"web": {"expected_by": "23:30"}}})
    definitions = make_definitions(deployment.folder)
    [policy] = [spec.freshness_policy for spec in definitions.resolve_all_asset_specs() if spec.freshness_policy]
    assert policy == dg.FreshnessPolicy.cron("30 1 * * *", timedelta(days=1), "UTC")


def test_invalid_settings_raise_their_own_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = Deployment(tmp_path / "data", {"daily_at": "25:00"})
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(deployment.folder.path))
    with pytest.raises(SettingsFileError, match=r"settings\.toml has an invalid setting(.|\n)*daily_at"):
        runpy.run_module("session_pipeline.definitions")


def test_home_without_its_settings_file_gets_it_with_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster would use its defaults, such as telemetry."""
    folder = Deployment(tmp_path / "data").folder
    (tmp_path / "link").symlink_to(folder.path)
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(folder.path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "link" / "dagster_home"))
    folder.dagster_home.mkdir()
    with pytest.warns(UserWarning, match=f"{home.settings_of(folder)} was missing, .*: restart Dagster"):
        runpy.run_module("session_pipeline.definitions")
    assert home.settings_of(folder).is_file()
    runpy.run_module("session_pipeline.definitions")
    home.settings_of(folder).unlink()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))  # a home that a user chose
    runpy.run_module("session_pipeline.definitions")
    assert not home.settings_of(folder).exists()


@pytest.mark.long
def test_workspace_loads_without_warnings(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data")
    ran = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", str(ROOT / "workspace.yaml")],
        cwd=ROOT,
        env={**os.environ, **home.prepare(deployment.folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    said = (ran.stdout + ran.stderr).splitlines()
    # The location has the same name without a workspace. Dagster stores under it which schedules are switched off.
    assert any("Validation successful for code location session_pipeline.definitions" in line for line in said)
    # Dagster always warns that this command is superseded by one in another package.
    assert [line for line in said if "Warning" in line and "SupersessionWarning" not in line] == []


def test_instance_config_has_only_known_keys(tmp_path: Path) -> None:
    packaged = files("session_pipeline.defs").joinpath("dagster.yaml").read_text(encoding="utf-8")
    assert (ROOT / "data" / "dagster_home" / "dagster.yaml").read_text(encoding="utf-8") == packaged
    assert yaml.safe_load(packaged).keys() <= dagster_instance_config_schema().keys()
    folder = DataFolder(tmp_path)
    home.prepare(folder)
    with local_runs.instance_of(folder) as instance:
        assert instance.telemetry_enabled is False
        assert instance.nux_enabled is False
        assert instance.run_monitoring_enabled is True
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 1


def test_repository_and_data_folder_share_the_run_history(tmp_path: Path) -> None:
    packaged = yaml.safe_load(files("session_pipeline.defs").joinpath("dagster.yaml").read_text(encoding="utf-8"))
    own = yaml.safe_load((ROOT / "dagster.yaml").read_text(encoding="utf-8"))
    for key, name in home.STORAGES.items():
        in_home, in_own = packaged.pop(key), own.pop(key)
        assert (in_home.pop("config"), in_own.pop("config")) == (
            {"base_dir": {"env": "DAGSTER_HOME"}},
            {"base_dir": "data/dagster_home"},
        )
        assert in_home == in_own == name
    assert {key: own[key] for key in packaged} == packaged
    in_repository = InstanceRef.from_dir(str(tmp_path), config_dir=str(ROOT))
    at_home = InstanceRef.from_dir(str(tmp_path / "data" / "dagster_home"), config_dir=str(ROOT / "data/dagster_home"))
    for name in ("local_artifact_storage_data", "compute_logs_data"):
        relative, absolute = (getattr(ref, name).config_dict["base_dir"] for ref in (in_repository, at_home))
        assert str(tmp_path / relative).rstrip("/") == absolute.rstrip("/"), name

"""Broken databases and settings of Dagster are reported in one sentence, such as after two processes created them."""

import os
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest

from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import broken_history, home
from session_pipeline.defs.local_runs import instance_of
from session_pipeline.errors import HistoryError
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.orchestration import orchestrated
from session_pipeline_tests.servers import reserved_port
from session_pipeline_tests.shop_commands import call, run


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    with orchestrated(tmp_path / "data") as deployment:
        return deployment


def break_database(deployment: Deployment, database: str) -> None:
    """Add a second version of the tables, as the second of two processes does."""
    with closing(sqlite3.connect(deployment.folder.dagster_home / database)) as rows:
        rows.execute("insert into alembic_version values ('5771160a95ad')")
        rows.commit()


def test_new_databases_are_not_broken(deployment: Deployment) -> None:
    assert broken_history.broken(deployment.folder.dagster_home) is None


@pytest.mark.parametrize(
    ("database", "folder", "lost"),
    [
        (home.RUNS, "history", "the history of runs in the UI"),
        (home.INDEX, "history", "the history of runs in the UI"),
        (home.SCHEDULES, "schedules", "the ticks, and which schedules"),
    ],
)
def test_sentence_names_what_to_delete_and_what_is_lost(
    deployment: Deployment, database: str, folder: str, lost: str
) -> None:
    break_database(deployment, database)
    sentence = broken_history.broken(deployment.folder.dagster_home)
    assert sentence is not None
    assert f"delete {deployment.folder.dagster_home / folder}, and start" in sentence
    assert lost in sentence


@pytest.mark.long
@pytest.mark.parametrize("database", [home.RUNS, home.INDEX, home.SCHEDULES])
def test_run_and_status_report_a_broken_database_in_one_sentence(deployment: Deployment, database: str) -> None:
    deployment.deliver("day", [{"visitor_id": "v", "event_time": "2024-03-05T10:00:00Z", "event_name": "page_view"}])
    break_database(deployment, database)
    ran = run(deployment.folder.path)
    sentence = broken_history.broken(deployment.folder.dagster_home)
    assert (ran.returncode, ran.stderr) == (1, f"Error: {sentence}\n")
    code, out, _ = call("status", "--data", deployment.folder.path)
    assert (code, str(sentence) in out) == (0, True)


def damage_database(deployment: Deployment, database: str) -> str:
    """Overwrite the beginning of a database, and return the beginning of the sentence about it."""
    damaged = deployment.folder.dagster_home / database
    damaged.write_bytes(b"no database" + damaged.read_bytes()[11:])
    return f"damaged database of Dagster: {damaged}; stop "


@pytest.mark.long
@pytest.mark.parametrize("database", [home.RUNS, home.INDEX, home.SCHEDULES])
def test_run_names_a_damaged_database_and_what_to_delete(deployment: Deployment, database: str) -> None:
    deployment.deliver("day", [{"visitor_id": "v", "event_time": "2024-03-05T10:00:00Z", "event_name": "page_view"}])
    sentence = damage_database(deployment, database)
    ran = run(deployment.folder.path)
    assert (ran.returncode, f"Error: {sentence}" in ran.stderr, "Traceback" in ran.stderr) == (1, True, False)
    folder, lost = broken_history.OF_DATABASE[database]
    assert f"delete {deployment.folder.dagster_home / folder}, and" in ran.stderr
    assert f"this loses {lost}, but no data" in ran.stderr


@pytest.mark.long
@pytest.mark.parametrize("database", [home.RUNS, home.INDEX, home.SCHEDULES])
def test_status_names_a_damaged_database_once(deployment: Deployment, database: str) -> None:
    sentence = damage_database(deployment, database)
    code, out, _ = call("status", "--data", deployment.folder.path)
    assert (code, " ".join(out.split()).count(sentence)) == (0, 1), out


@pytest.mark.long
def test_erase_names_a_damaged_database_of_one_run(deployment: Deployment) -> None:
    """An erasure searches the databases of all runs, and each run finishes it."""
    deployment.deliver("day", [{"visitor_id": "v", "event_time": "2024-03-05T10:00:00Z", "event_name": "page_view"}])
    assert run(deployment.folder.path).returncode == 0
    history = (deployment.folder.dagster_home / home.INDEX).parent
    first = min(path for path in history.glob("*.db") if path.name != Path(home.INDEX).name)
    sentence = damage_database(deployment, str(first.relative_to(deployment.folder.dagster_home)))
    code, _, err = call("erase", "--visitor", "v", "--yes", "--data", deployment.folder.path)
    assert (code, f"Error: {sentence}" in err) == (1, True), err
    shutil.rmtree(deployment.folder.dagster_home / "history")
    assert run(deployment.folder.path).returncode == 0


@pytest.mark.parametrize("database", [home.RUNS, home.INDEX, home.SCHEDULES])
def test_dev_does_not_start_with_a_damaged_database(
    deployment: Deployment, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentence = damage_database(deployment, database)
    monkeypatch.setattr("os.execve", lambda *_: pytest.fail("the UI was started"))
    with reserved_port() as port:
        code, _, err = call("dev", "--data", deployment.folder.path, "--port", str(port))
    assert (code, f"Error: {sentence}" in err) == (1, True), err


def test_dagster_itself_reports_a_broken_database(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    break_database(deployment, home.SCHEDULES)
    monkeypatch.setenv("DAGSTER_HOME", str(deployment.folder.dagster_home))
    with pytest.raises(HistoryError, match="broke them"):
        dg.DagsterInstance.get()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"\xff", "cannot be read (it is not text in UTF-8)"),
        (b"telemetry: [", "is not valid (while parsing a flow node"),
        (b"telemetry", "is not valid (Expected YAML from file "),
        (b"run_storage: {module: gone, class: Runs}", "is not valid (Couldn't import module gone when"),
        (b"unknown_key: 1", 'is not valid (Received unexpected config entry "unknown_key" at the root'),
        (b"concurrency: {pools: 3}", "is not valid (Value at path root:concurrency:pools must be dict."),
        (b"concurrency: 3", "is not valid (Value at path root:concurrency must be dict."),
        (b"concurrency: {pools: {default_limit: x}}", "is not valid (Invalid scalar at path root:concurrency:pools:"),
    ],
)
def test_settings_of_dagster_that_cannot_be_used_are_named(text: bytes, why: str, tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    home.prepare(folder)
    home.settings_of(folder).write_bytes(text)
    with pytest.raises(HistoryError) as raised, instance_of(folder):
        pass
    assert str(raised.value).startswith(f"{home.settings_of(folder)} {why}")
    assert str(raised.value).endswith("the next `session-pipeline run` or `dev` writes the packaged one")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("run_launcher: {module: gone, class: Launcher}", "Couldn't import module gone when"),
        ("run_launcher: {module: dagster, class: Gone}", "Couldn't find class Gone in module when"),
        (
            "run_launcher: {module: dagster._core.launcher, class: DefaultRunLauncher, config: {image: x}}",
            'Received unexpected config entry "image" at the root',
        ),
        ("run_coordinator: {module: gone, class: Coordinator}", "Couldn't import module gone when"),
        ("compute_logs: {module: gone, class: Logs}", "Couldn't import module gone when"),
    ],
)
def test_dev_does_not_start_with_parts_that_cannot_launch_runs(
    text: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = DataFolder(tmp_path)
    home.prepare(folder)
    home.settings_of(folder).write_text(text)
    folder.raw.mkdir()
    monkeypatch.setattr("os.execve", lambda *_: pytest.fail("the UI was started"))
    with reserved_port() as port:
        code, _, err = call("dev", "--data", tmp_path, "--port", str(port))
    assert (code, f"\nError: {home.settings_of(folder)} is not valid ({why}" in err) == (1, True)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "compute_logs: {module: dagster._core.storage.local_compute_log_manager, class: LocalComputeLogManager,"
        " config: {base_dir: {env: DAGSTER_HOME}}}",
    ],
)
def test_dev_starts_without_dagster_yaml_and_with_one_that_uses_its_variables(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = DataFolder(tmp_path)
    folder.raw.mkdir()
    if text:
        folder.dagster_home.mkdir()
        home.settings_of(folder).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    started: list[Mapping[str, str]] = []
    monkeypatch.setattr("os.execve", lambda _program, _arguments, variables: started.append(variables))
    with reserved_port() as port:
        code, _, err = call("dev", "--data", tmp_path, "--port", str(port))
    assert (code, [each["DAGSTER_HOME"] for each in started]) == (0, [str(folder.dagster_home)]), err
    assert "DAGSTER_HOME" not in os.environ


def test_settings_of_dagster_that_the_disk_cannot_read_are_named(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    home.prepare(folder)
    link = home.settings_of(folder)
    link.unlink()
    link.symlink_to("/proc/self/mem")  # reading its first page is an Input/output error
    with pytest.raises(HistoryError, match=r"dagster\.yaml cannot be read \(Input/output error\); fix that"):
        home.has_own_storage(folder)

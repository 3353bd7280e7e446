"""Tests the command erase as users call it, with the history of runs, also when it is killed."""

import json
import os
import shlex
import shutil
import signal
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import InstigatorType, TickData, TickStatus
from dagster_shared.error import SerializableErrorInfo
from typer.testing import CliRunner

from session_pipeline.cli import app
from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import erased_history, history
from session_pipeline.defs.local_runs import QUIET, instance_of
from session_pipeline.defs.retention import MESSAGES
from session_pipeline.ingest.erasing.erasures import Unfinished, unfinished_in
from session_pipeline.store import crash_points
from session_pipeline_tests.crashes.killed_runs import PROCESSES, KillAt
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.erasures import texts_left
from session_pipeline_tests.orchestration import SMALL, shop_lines
from session_pipeline_tests.output_commands import PROGRAM

MONDAY = date(2024, 5, 6)
CANARY = "canary-3141592653"


def call(deployment: Deployment, *arguments: str, answer: str = "") -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [*arguments, "--data", str(deployment.folder.path)], input=answer)
    return result.exit_code, result.stdout, result.stderr


@dg.op
def fails() -> None:
    raise ValueError(f"the value {CANARY!r} is wrong")


def quote_in_history(folder: DataFolder) -> str:
    """Let the history of runs have the canary: in an error, in tags, in output, in a tick and in alerts."""
    with instance_of(folder) as instance:
        job = dg.GraphDefinition("quoting", node_defs=[fails]).to_job(executor_def=dg.in_process_executor)
        ran = job.execute_in_process(instance=instance, raise_on_error=False, run_config=QUIET, tags={"about": CANARY})
        error = SerializableErrorInfo(f"bad value {CANARY}", [], "ValueError")
        instance.create_tick(
            TickData(
                instigator_origin_id="origin",
                instigator_name="landing",
                instigator_type=InstigatorType.SENSOR,
                status=TickStatus.FAILURE,
                timestamp=1e9,
                error=error,
            )
        )
    output = folder.dagster_home / "storage" / ran.run_id / "compute_logs" / "step.err"
    output.parent.mkdir(parents=True)
    output.write_text(f"ValueError: {CANARY}\n")
    messages = folder.dagster_home / "storage" / MESSAGES / "landing"
    messages.mkdir(parents=True)
    (messages / "1.err").write_text(f"bad value {CANARY}\n")
    (messages / "2.err").write_text("no file is new\n")
    (folder.dagster_home / "alerts.json").write_text(json.dumps({"sent": [CANARY]}))
    return ran.run_id


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    deployment = Deployment(tmp_path_factory.mktemp("shop") / "data", SMALL)
    lines: list[dict[str, Any] | str] = [
        {**line, "visitor_id": CANARY if line["visitor_id"] == "visitor 4" else line["visitor_id"]}
        for line in shop_lines(MONDAY)
    ]
    deployment.deliver("monday", [*lines, f"broken {CANARY}"])
    assert call(deployment, "run", "--until", str(MONDAY))[0] == 0
    quote_in_history(deployment.folder)
    return deployment


@pytest.fixture
def own(shop: Deployment, tmp_path: Path) -> Deployment:
    return shop.copied_to(tmp_path / "data")


def erase_in_this_process(folder: Path, place: str) -> None:
    os.environ[crash_points.CRASH_AT], os.environ[crash_points.CRASH_LOG] = "0", os.devnull
    KillAt(place)()
    call(Deployment.at(folder), "erase", "--visitor", CANARY, "--yes", "--until", str(MONDAY))


@pytest.mark.long
def test_export_writes_everything_about_a_visitor(shop: Deployment, tmp_path: Path) -> None:
    code, out, err = call(shop, "export", "-", "--visitor", CANARY)
    assert code == 0, err
    found = json.loads(out)
    tables = found["tables"]
    assert {"raw_events", "events", "sessions", "session_outcomes", "visitors"} <= tables.keys()
    assert (len(tables["raw_events"]), len(tables["events"]), len(tables["quarantined_lines"])) == (5, 5, 1)
    assert [row["line_number"] for row in tables["events"]] == [11, 12, 13, 14, 15]
    assert {row["file_id"] for row in tables["events"]} == {found["delivered_files"][0]["file_id"]}
    assert found["delivered_files"][0]["paths"] == ["test/monday.jsonl"]
    assert {row["visitor_id"] for rows in tables.values() for row in rows if "visitor_id" in row} == {CANARY}
    assert call(shop, "export", str(tmp_path / "canary.json"), "--visitor", CANARY)[0] == 0
    assert json.loads((tmp_path / "canary.json").read_text()) == found
    code, _, err = call(shop, "export", str(tmp_path / "none.json"), "--visitor", "nobody")
    assert (code, "nothing is held" in err, (tmp_path / "none.json").exists()) == (1, True, False)


@pytest.mark.long
def test_erase_asks_and_does_nothing_without_consent(own: Deployment) -> None:
    code, out, err = call(own, "erase", "--visitor", CANARY, answer="n\n")
    assert (code, "nothing was erased" in err) == (1, True)
    assert "To be erased: 6 lines of main, 1 session, 1 day, 1 visitor\n" in out
    assert "monday.jsonl" in out
    assert call(own, "erase", "--visitor", CANARY, "--json")[0] == 2
    assert not own.folder.erasures.exists()
    assert call(own, "erase")[0] == 2
    assert "the sites are main" in call(own, "erase", "--visitor", CANARY, "--site", "other", "--yes")[2]


@pytest.mark.long
def test_erase_leaves_nothing_in_the_data_folder(own: Deployment) -> None:
    before = texts_left(own, [CANARY])
    assert {"dagster_home/history/runs/index.db", "dagster_home/alerts.json"} <= set(before)
    runs_before = [run.run_id for run in history.last_runs(own.folder, 10) if run.job != "quoting"]
    code, out, err = call(own, "erase", "--visitor", CANARY, "--yes", "--json", "--until", str(MONDAY))
    assert code == 0, err
    found = json.loads(out)
    assert found["frozen_before"] is None
    assert found["delivered_files"] == [str(own.folder.raw / "test" / "monday.jsonl")]
    assert (found["event_count"], found["quarantined_count"], found["session_count"]) == (5, 1, 1)
    assert found["deleted_from_history_count"] >= 3
    assert texts_left(own, [CANARY]) == []
    messages = own.folder.dagster_home / "storage" / MESSAGES / "landing"
    assert [path.name for path in messages.iterdir()] == ["2.err"]
    runs = history.last_runs(own.folder, 20)
    assert set(runs_before) <= {run.run_id for run in runs}
    assert "quoting" not in {run.job for run in runs}
    with instance_of(own.folder) as instance:
        assert str(MONDAY) in instance.get_materialized_partitions(dg.AssetKey("events"))
    assert call(own, "verify")[0] == 0
    assert unfinished_in(own.folder) is None


@pytest.mark.long
def test_file_that_was_not_read_yet_says_which_visitors_are_the_users(own: Deployment) -> None:
    """One event of the visitor has the user id, the other one does not."""
    line = shop_lines(MONDAY)[0]
    lines = [
        {**line, "visitor_id": "canary-visitor", "event_id": f"n{number}", **more}
        for number, more in enumerate(({"user_id": "canary-user"}, {}))
    ]
    own.deliver("new", lines)
    code, out, err = call(own, "erase", "--user", "canary-user", "--yes", "--json", "--until", str(MONDAY))
    assert code == 0, err
    assert json.loads(out)["event_count"] == 2
    assert texts_left(own, ["canary-visitor", "canary-user"]) == []


@pytest.mark.long
def test_reader_that_closes_the_pipe_does_not_prevent_an_erasure(own: Deployment) -> None:
    arguments = ["erase", "--visitor", CANARY, "--yes", "--until", str(MONDAY), "--data", str(own.folder.path)]
    command = shlex.join([*PROGRAM, *arguments])
    ran = subprocess.run(["bash", "-c", f"{command} | true"], capture_output=True, text=True, check=False)
    assert "Traceback" not in ran.stderr
    assert texts_left(own, [CANARY]) == []
    assert unfinished_in(own.folder) is None


@pytest.mark.long
def test_history_in_folders_that_are_links_is_searched(own: Deployment, tmp_path: Path) -> None:
    folder = own.folder
    for name in ("history", "storage"):
        shutil.move(folder.dagster_home / name, tmp_path / name)
        (folder.dagster_home / name).symlink_to(tmp_path / name)

    def have_the_canary() -> set[str]:
        files = (path for name in ("history", "storage") for path in (tmp_path / name).rglob("*") if path.is_file())
        return {path.name for path in files if CANARY.encode() in path.read_bytes()}

    (tmp_path / "storage" / "loop").symlink_to(tmp_path / "storage")
    (folder.dagster_home / "above").symlink_to(folder.path)
    assert {"runs.db", "index.db", "step.err", "1.err"} <= have_the_canary()
    with instance_of(folder) as instance:
        erased_history.remove(instance, folder, Unfinished(ids=(CANARY,)))
    assert have_the_canary() == set()
    assert CANARY in (folder.raw / "test" / "monday.jsonl").read_text(), "a delivered file"


@pytest.mark.reliability
@pytest.mark.parametrize(
    "place", ["erase: recorded", "erase: runs deleted", "erase: database written again", "erase: catalog shrunk"]
)
def test_next_run_finishes_an_erasure(own: Deployment, place: str) -> None:
    child = PROCESSES.Process(target=erase_in_this_process, args=(own.folder.path, place), daemon=True)
    child.start()
    child.join(300)
    assert child.exitcode == -signal.SIGKILL
    assert "an erasure was interrupted" in call(own, "status", "--check")[2]
    code, _, err = call(own, "run", "--until", str(MONDAY))
    assert code == 0, err
    assert "the erasure that was interrupted is finished" in err
    assert texts_left(own, [CANARY]) == []
    assert unfinished_in(own.folder) is None

"""Past runs and failed checks are the same with and without Dagster."""

import json
import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from unittest.mock import Mock

import dagster as dg
import pytest

from session_pipeline.checks import CHECKS, Verdict
from session_pipeline.cli.commands import COMMANDS
from session_pipeline.defs import history, home, instance_history, tags
from session_pipeline.defs.check_results import result_of
from session_pipeline.defs.history import PastRun
from session_pipeline_tests.orchestration import SMALL, Orchestrated, orchestrated, shop_lines
from session_pipeline_tests.shop_commands import call
from session_pipeline_tests.test_dagster_runs import MONDAY

NAMES = [(check.name, check.table) for check in CHECKS]


@pytest.fixture
def deployment(tmp_path: Path):  # type: ignore[no-untyped-def]
    with orchestrated(tmp_path / "data", SMALL) as deployment:
        yield deployment


@pytest.mark.long
def test_history_is_that_of_dagster(deployment: Orchestrated) -> None:
    assert history.last_runs(deployment.folder, 5) == []
    deployment.deliver(str(MONDAY), [*shop_lines(MONDAY), *["{broken"] * 20])
    assert deployment.ingest(**{tags.REASON: tags.LATE}).success
    names = "agents_seen", "events", "duplicate_events", "open_sessions", "recent_event_ids"
    assert deployment.by_hand(MONDAY, *names).success
    job = deployment.definitions().resolve_job_def("build")
    deployment.instance.create_run_for_job(job)  # not started, and without results of its checks
    runs = history.last_runs(deployment.folder, 2)
    assert [(run.job, run.status, run.seconds is None) for run in runs] == [
        ("build", "not_started", True),
        ("__ASSET_JOB", "success", False),
    ]
    assert history.last_runs(deployment.folder, 5) == instance_history.last_runs(deployment.folder, 5)
    failed = history.failed_checks(deployment.folder, NAMES)
    assert failed == instance_history.failed_checks(deployment.folder, NAMES)
    assert "set_aside_rate" in {check.name for check in failed}


@pytest.mark.parametrize("is_of_an_earlier_version", [False, True])
def test_failed_check_has_its_sentence_without_markdown(
    deployment: Orchestrated, is_of_an_earlier_version: bool
) -> None:
    sentence = "events [a](http://a.example) and *b*"
    [check, *_] = CHECKS
    result = result_of(check, Verdict(False, sentence))
    failed = dg.AssetCheckEvaluation(
        check_name=check.name,
        asset_key=dg.AssetKey(check.table),
        passed=False,
        metadata={} if is_of_an_earlier_version else result.metadata,
        description=sentence if is_of_an_earlier_version else result.description,
    )
    deployment.instance.report_runless_asset_event(failed)
    found = history.failed_checks(deployment.folder, NAMES)
    assert found == instance_history.failed_checks(deployment.folder, NAMES)
    assert [check.sentence for check in found] == [sentence]


@pytest.mark.parametrize(
    ("sentence", "description"),
    [
        ("event https://a.example/b_c", "event `https://`a.example/b_c"),
        ("event HTTPS://www.a.example", "event `HTTPS://www.`a.example"),
        ("www.a.example, `ftp://a.example`", r"`www.`a.example, \``ftp://`a.example\`"),
        ("event [a](https://a.example)", r"event \[a\](`https://`a.example)"),
    ],
)
def test_urls_in_the_sentence_of_a_check_are_no_links(sentence: str, description: str) -> None:
    assert result_of(CHECKS[0], Verdict(False, sentence)).description == description


@pytest.mark.parametrize("change", ["another storage", "other columns"])
def test_dagster_is_asked_if_the_files_are_not_as_expected(
    deployment: Orchestrated, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.prepare(deployment.folder)
    (deployment.folder.dagster_home / "history").mkdir(exist_ok=True)
    monkeypatch.setattr(instance_history, "last_runs", lambda folder, limit: ["asked"])
    if change == "another storage":
        with home.settings_of(deployment.folder).open("a") as settings:
            settings.write("storage:\n  postgres: {}\n")
    else:

        def failing(path: Path, limit: int) -> None:
            raise KeyError("tags")

        monkeypatch.setattr(history, "_runs", failing)
    assert history.last_runs(deployment.folder, 5) == ["asked"]


@pytest.mark.parametrize("database", ["runs.db", "runs/index.db"])
def test_status_says_that_a_damaged_history_cannot_be_read(deployment: Orchestrated, database: str) -> None:
    path = deployment.folder.dagster_home / "history" / database
    for each in path.parent.glob(f"{path.name}-*"):
        each.unlink()
    path.write_bytes(b"no database" * 1000)
    code, out, err = call("status", "--data", deployment.folder.path)
    assert (code, err) == (0, "")
    assert f"the last runs and the results of checks are not known: damaged database of Dagster: {path}; stop" in out


def test_status_names_runs_that_were_started_by_materialize(
    deployment: Orchestrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = datetime(2024, 5, 6, 7, 8, tzinfo=UTC)
    past = PastRun("12345678-9", "__ASSET_JOB", "success", started, 3.0, "started by hand")
    monkeypatch.setattr(history, "last_runs", lambda folder, limit: [past])
    code, out, err = call("status", "--data", deployment.folder.path)
    assert (code, err) == (0, "")
    heading, row = out.splitlines()[-2:]
    assert heading.split() == ["last", "runs", "job", "status", "started", "took", "reason"]
    assert " ".join(row.split()) == "12345678 materialize success 2024-05-06 07:08 UTC 3 s started by hand"


def test_status_says_that_a_full_disk_hides_the_last_runs(
    deployment: Orchestrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = sqlite3.OperationalError("disk I/O error")
    full.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
    monkeypatch.setattr(history, "_rows", Mock(side_effect=full))
    free = count(1_000_000, 1_000_000)  # it changes while the command looks
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Mock(free=next(free)))
    code, out, err = call("status", "--json", "--data", deployment.folder.path)
    found = json.loads(out)
    assert (code, err, found["runs"]) == (0, "", [])
    [sentence] = [problem for problem in found["problems"] if "not known" in problem]
    assert f"cannot write {deployment.folder.dagster_home}: the disk is full" in sentence


def test_commands_import_dagster_and_arrow_only_when_they_use_them() -> None:
    """The modules of `check` read files."""
    code = (
        "import sys\n"
        "from session_pipeline.cli.commands import COMMANDS\n"
        "for command in sys.argv[1:]:\n"
        "    COMMANDS[command].load()\n"
        "    print(command, *{'dagster', 'pyarrow'} & sys.modules.keys())"
    )
    arguments = [sys.executable, "-c", code, "run", "plan", "status", "query", "check"]
    imported = subprocess.run(arguments, check=True, capture_output=True, text=True).stdout.splitlines()
    assert imported == ["run", "plan", "status", "query", "check pyarrow"]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_is_its_docstring(name: str) -> None:
    assert COMMANDS[name].load().__doc__.splitlines()[0] == COMMANDS[name].help

"""Tests the output and the exit codes of the command line.

`run` runs through Dagster in its own process, as for users. The other commands are called in this process.
"""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from session_pipeline.cli import app, timeline
from session_pipeline.defs import history
from session_pipeline.errors import WrongUseError
from session_pipeline.run.outcome import FailedCheck
from session_pipeline_tests.commands import run_program
from session_pipeline_tests.deployment import damage

EVENTS: list[dict[str, Any]] = [
    {"event_id": "1", "visitor_id": "ann", "event_time": "2024-03-05T23:50:00Z", "event_name": "page_view",
     "page_url": "https://shop.example/product/lamp?utm_source=news"},
    {"event_id": "2", "visitor_id": "ann", "event_time": "2024-03-05T23:55:00Z", "event_name": "add_to_cart"},
    {"event_id": "2", "visitor_id": "ann", "event_time": "2024-03-05T23:55:00Z", "event_name": "add_to_cart"},
    {"event_id": "3", "visitor_id": "ann", "event_time": "2024-03-06T00:05:00Z", "event_name": "begin_checkout"},
    {"event_id": "4", "visitor_id": "ann", "event_time": "2024-03-06T00:06:00Z", "event_name": "purchase",
     "value": 49.9, "currency": "EUR"},
    {"event_id": "5", "visitor_id": "bob", "event_time": "2024-03-06T09:00:00Z", "event_name": "page_view",
     "page_url": "https://shop.example/"},
    {"event_id": "6", "visitor_id": "bob", "event_time": "2024-03-06T12:00:00Z", "event_name": "page_view",
     "page_url": "https://shop.example/"},
]  # fmt: skip


def call(*arguments: str | Path) -> tuple[int, str, str]:
    """Run a command and return its exit code, standard output and standard error."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def run(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command `run` in its own process."""
    return run_program("run", "--data", data, *arguments)


def deliver(data: Path, name: str, *lines: dict[str, Any] | str) -> None:
    path = data / "raw" / "web" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))


@dataclass(frozen=True)
class FirstRun:
    data: Path
    plan_before: str
    stdout: str
    stderr: str


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> FirstRun:
    """Two days of a shop, with one duplicate and one line of invalid JSON."""
    data = tmp_path_factory.mktemp("shop") / "data"
    assert call("init", data)[0] == 0
    deliver(data, "events.jsonl", *EVENTS, "{broken\n")
    plan = call("plan", "--data", data)[1]
    result = run(data)
    assert result.returncode == 0, result.stderr
    return FirstRun(data, plan, result.stdout, result.stderr)


@pytest.fixture(scope="module")
def shop(first_run: FirstRun) -> Path:
    """The data folder of the first run. Read only."""
    return first_run.data


@pytest.fixture
def own_shop(shop: Path, tmp_path: Path) -> Path:
    """A copy that the test may change."""
    return Path(shutil.copytree(shop, tmp_path / "data"))


def test_init_creates_a_usable_folder_and_never_overwrites(tmp_path: Path) -> None:
    data = tmp_path / "new"
    code, out, _ = call("init", data)
    assert code == 0
    assert f"session-pipeline run --data {data}" in out
    assert sorted(path.name for path in data.iterdir()) == ["dagster_home", "raw", "settings.toml"]
    assert call("check", "--data", data)[0] == 0
    code, _, err = call("init", data)
    assert (code, "is already a data folder" in err) == (2, True)


def test_version_and_help_options() -> None:
    assert re.fullmatch(r"session-pipeline \d+\.\d+\.\d+\n", call("--version")[1])
    assert call("-h") == call("--help")
    assert call("query", "-h") == call("query", "--help")


def test_shell_completion() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "session_pipeline"],
        env={
            **os.environ,
            "_SESSION_PIPELINE_COMPLETE": "complete_bash",
            "COMP_WORDS": "session-pipeline se",
            "COMP_CWORD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.split() == ["sessions"]
    assert "--install-completion" in call("-h")[1]


@pytest.mark.long
def test_folder_without_settings_uses_the_packaged_settings(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "raw").mkdir(parents=True)
    deliver(data, "events.jsonl", *EVENTS)
    note = f"{data} has no settings.toml: the packaged settings are used; `session-pipeline init {data}` writes a"
    for command in ("check", "plan", "status", "run", "sessions", "verify"):
        ran = subprocess.run(
            [sys.executable, "-m", "session_pipeline", command, "--data", data],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ran.returncode, ran.stderr.startswith(note)) == (0, True), ran.stderr
    assert "the packaged settings: valid" in call("check", "--data", data)[1]
    assert "with the packaged settings" in call("try", data / "raw" / "web" / "events.jsonl", "--data", data)[1]
    assert not (data / "settings.toml").exists()

    assert call("init", data)[0] == 0
    settings = data / "settings.toml"
    settings.write_text(settings.read_text().replace("inactivity_minutes = 30 ", "inactivity_minutes = 20 "))
    assert "no settings.toml" not in run(data).stderr
    settings.unlink()
    for command in ("run", "plan", "status"):
        code, _, err = call(command, "--data", data)
        assert (code, "settings.toml is missing, but the store was built with it; restore it" in err) == (1, True), err


def test_check_names_the_invalid_key(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("[sessions]\ninactivity_minuts = 20\n")
    code, _, err = call("check", "--data", tmp_path)
    assert code == 1
    assert "sessions.inactivity_minuts is an unknown setting; did you mean inactivity_minutes?" in err
    code, out, _ = call("check", "--json", "--data", tmp_path)
    assert (code, json.loads(out)["problems"][0]["key"]) == (1, "sessions.inactivity_minuts")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run", "--data", "nowhere"), "is not a data folder"),
        (("run", "--no-such-option"), "No such option"),
        (("run", "--until", "2024-02-30"), "--until"),
        (("run", "--until", "2999-01-01"), "is in the future"),
        (("run", "--until", "1999-01-01"), "is before start_date"),
        (("status", "--max-age", "soon"), "write it as 90min, 30h or 2d"),
        (("query",), "there is no SQL"),
        (("query", "select 1", "--format", "parquet"), "name a file with --output"),
        (("query", "select 1; select 2"), "query takes one SELECT"),
        (("query", "copy sessions to 'sessions.csv'"), "query takes one SELECT"),
        (("show", "no such id"), "find one with: session-pipeline sessions"),
        (("show", ""), "find one with: session-pipeline sessions"),
    ],
)
def test_wrong_use_exits_with_2_and_a_hint(
    shop: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], sentence: str
) -> None:
    monkeypatch.setenv("SESSION_PIPELINE_DATA", str(shop))
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert sentence in err
    assert "Traceback" not in err


def test_run_prints_a_summary(first_run: FirstRun) -> None:
    assert "raw/web/events.jsonl  new file" in first_run.plan_before
    for part in (
        "1 new, 0 redelivered, 0 corrupt, 0 refused; 1 under raw/",
        "8 = 7 accepted + 1 quarantined",
        "quarantined for invalid_json 1",
        "7 = 6 events + 1 duplicate + 0 not built yet",
        "3 days, 2024-03-05 to 2024-03-07",
        "Sessions  3 human sessions (0 bot sessions excluded); all days",
        str(first_run.data / "warehouse.duckdb"),
        str(first_run.data / "reports"),
    ):
        assert part in first_run.stdout
    assert first_run.stderr.startswith("Reading: 1 file\n")


def test_second_run_builds_nothing_and_earlier_until_drops_days(own_shop: Path) -> None:
    told = json.loads(run(own_shop, "--json").stdout)
    assert told["built_days"] == []
    assert told["outcomes"] == {"bounce": 2, "purchase": 1}
    assert told["funnels"]["checkout"] == [["add to cart", 1], ["begin checkout", 1], ["purchase", 1]]
    assert ", and published" in call("plan", "--data", own_shop)[1]

    told = json.loads(run(own_shop, "--until", "2024-03-05", "--json").stdout)
    assert (told["ledger"]["events"], told["ledger"]["waiting"]) == (2, 4)


@pytest.mark.long
def test_run_warns_about_unusable_files(own_shop: Path) -> None:
    deliver(own_shop, "foreign.jsonl", '{"who": "ann"}\n', '{"who": "bob"}\n')
    (own_shop / "raw" / "web" / "cut.jsonl.gz").write_bytes(gzip.compress(b'{"a": 1}\n' * 1000)[:-20])
    result = run(own_shop)
    assert result.returncode == 0
    assert "web/foreign.jsonl: 2 of 2 lines were quarantined, 2 of them for missing_visitor_id" in result.stdout
    assert "raw/web/cut.jsonl.gz: the file is damaged" in result.stdout
    code, out, _ = call("status", "--data", own_shop)
    assert (code, "raw/web/cut.jsonl.gz: the file is damaged" in out) == (0, True)


@pytest.mark.long
def test_plan_status_and_run_report_the_same_problems(own_shop: Path) -> None:
    deliver(own_shop, "foreign.jsonl", '{"who": "ann"}\n', '{"who": "bob"}\n')
    (own_shop / "raw" / "web" / "cut.jsonl.gz").write_bytes(gzip.compress(b'{"a": 1}\n' * 1000)[:-20])
    settings = own_shop / "settings.toml"
    settings.write_text(settings.read_text() + '\n[sources.app]\nexpected_by = "00:00"\n')
    told = json.loads(run(own_shop, "--json").stdout)["warnings"]
    planned = json.loads(call("plan", "--json", "--data", own_shop)[1])
    assert planned["problems"] + planned["warnings"] == told
    code, out, err = call("status", "--check", "--data", own_shop)
    assert code == 1
    for problem in (
        "raw/web/cut.jsonl.gz: the file is damaged",
        "web/foreign.jsonl: 2 of 2 lines were quarantined",
        "app: no events of ",
    ):
        assert any(problem in warning for warning in told), problem
        assert problem in out
        assert problem in err
        assert problem in call("plan", "--data", own_shop)[1]


def test_status_lists_failed_checks_and_warnings(own_shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = [FailedCheck("ledger_closes", "two lines are lost", True), FailedCheck("bot_share", "all are bots", False)]
    monkeypatch.setattr(history, "failed_checks", lambda folder, names: failed)
    code, out, err = call("status", "--check", "--data", own_shop)
    assert (code, "ledger_closes: two lines are lost" in err, "bot_share" in err) == (1, True, False)
    assert "bot_share: all are bots" in out


MISSPELLED = """
[[goals]]
name = "bought"
where = "event_name = 'purchese'"
"""
WARNING = (
    "goals[bought].where: event_name = 'purchese' matches no event so far; similar values of event_name: 'purchase';"
    " correct it or remove it"
)


@pytest.mark.long
def test_check_and_run_warn_about_a_condition_without_matches(own_shop: Path) -> None:
    assert json.loads(call("check", "--json", "--data", own_shop)[1]) == {
        "is_usable": True,
        "problems": [],
        "warnings": [],
        "not_compared_because": None,
    }
    settings = own_shop / "settings.toml"
    settings.write_text(
        settings.read_text().replace("[[goals]]", "[[own_goals]]").split("[[own_goals]]")[0] + MISSPELLED
    )
    code, out, _ = call("check", "--data", own_shop)  # before a run with the new settings
    assert (code, f"WARNING: {WARNING}\n" in out) == (0, True)
    assert json.loads(call("check", "--json", "--data", own_shop)[1])["warnings"][0]["key"] == "goals[bought].where"
    for _ in range(2):  # also when there is nothing to do
        result = run(own_shop)
        assert (result.returncode, result.stdout.count(f"WARNING: {WARNING}\n")) == (0, 1)
        assert result.stdout.count("purchese") == 1


def test_check_works_without_a_store_or_with_a_damaged_warehouse(own_shop: Path) -> None:
    (own_shop / "warehouse.duckdb").write_bytes(b"no database" * 1000)
    code, out, _ = call("check", "--data", own_shop)
    assert (code, "The rules were not compared with the events: " in out) == (0, True)
    assert "cannot be opened" in json.loads(call("check", "--json", "--data", own_shop)[1])["not_compared_because"]
    shutil.rmtree(own_shop / "store")
    (own_shop / "warehouse.duckdb").unlink()
    code, out, _ = call("check", "--data", own_shop)
    assert (code, "WARNING" in out, (own_shop / "store").exists()) == (0, False, False)


@pytest.mark.long
def test_run_prints_ten_warnings_and_counts_the_rest(own_shop: Path) -> None:
    goals = "".join(MISSPELLED.replace("bought", f"bought_{number}") for number in range(12))
    (own_shop / "settings.toml").write_text(goals)
    result = run(own_shop)
    assert result.stdout.count("WARNING: goals[bought_") == 10
    assert "and 2 more: run `session-pipeline status --json`\n" in result.stdout


@pytest.mark.long
def test_run_prints_one_sentence_on_failure(own_shop: Path) -> None:
    deliver(own_shop, "more.jsonl", {**EVENTS[0], "event_id": "7"})
    (own_shop / "warehouse.duckdb.wal").touch()  # as if another process had opened the warehouse for writing
    result = run(own_shop)
    assert result.returncode == 1
    assert "something opened the warehouse for writing" in result.stderr
    assert "Traceback" not in result.stderr


def test_plan_groups_days_by_step_and_reason(own_shop: Path) -> None:
    settings = own_shop / "settings.toml"
    settings.write_text(settings.read_text().replace("inactivity_minutes = 30 ", "inactivity_minutes = 20 "))
    code, out, _ = call("plan", "--data", own_shop)
    assert code == 0
    assert "setting inactivity_minutes changed from 30 to 20" in out
    lines = [line.split() for line in out.splitlines() if line.startswith("sessionize")]
    assert [line[1:6] for line in lines] == [["3", "days,", "2024-03-05", "to", "2024-03-07"]]
    planned = json.loads(call("plan", "--json", "--data", own_shop)[1])
    assert {(item["step"], item["day"]) for item in planned["items"]} >= {("sessionize", "2024-03-05")}

    settings.write_text(settings.read_text().replace("max_rebuild_days = 30", "max_rebuild_days = 1"))
    assert "so they wait for `session-pipeline run --upgrade`" in call("plan", "--data", own_shop)[1]


def test_status_lists_runs_and_supports_monitoring(shop: Path) -> None:
    code, out, _ = call("status", "--json", "--data", shop)
    told = json.loads(out)
    assert code == 0
    assert told["lines"] == {"line": 8, "accepted": 7, "set_aside": 1, "erased": 0}
    assert told["days"] == ["2024-03-05", "2024-03-06", "2024-03-07"]
    assert [(past["job"], past["status"]) for past in told["runs"]] == [("build", "success"), ("ingest", "success")]
    assert "8 = 7 accepted + 1 quarantined" in call("status", "--data", shop)[1]
    assert call("status", "--check", "--data", shop)[0] == 0
    code, _, err = call("status", "--check", "--max-age", "0min", "--data", shop)
    assert (code, "the published state is" in err) == (1, True)


@pytest.mark.long
def test_verify_finds_damaged_and_missing_files_and_run_fixes_them(own_shop: Path) -> None:
    (own_shop / "lake" / "sessions" / "session_date=2024-03-05" / "data.parquet").unlink()
    code, out, _ = call("verify", "--json", "--data", own_shop)
    assert (code, "1 file of the lake missing" in json.loads(out)["problems"][0]) == (1, True)

    (own_shop / "warehouse.duckdb").unlink()
    victim = next((own_shop / "store" / "events" / "event_date=2024-03-05").iterdir())
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    damage(victim, content)
    code, out, err = call("verify", "--data", own_shop)
    assert (code, "Traceback" in err) == (1, False)
    assert f"events[2024-03-05]: {victim} does not contain what was written" in out
    assert "there is no" in out

    assert run(own_shop).returncode == 0
    code, out, _ = call("verify", "--data", own_shop)
    assert (code, "every line is accounted for" in out) == (0, True)


def test_query_writes_every_format(shop: Path, tmp_path: Path) -> None:
    sql = "select outcome, value, is_converted from session_outcomes order by value nulls last, session_id limit 2"
    _, table, _ = call("query", sql, "--data", shop)
    assert [line.split() for line in table.splitlines() if "─" not in line] == [
        ["outcome", "value", "is_converted"],
        ["purchase", "49.9", "true"],
        ["bounce", "NULL", "false"],
    ]
    _, written, _ = call("query", sql, "--format", "csv", "--data", shop)
    assert written == "outcome,value,is_converted\npurchase,49.900000,true\nbounce,,false\n"
    _, written, _ = call("query", sql, "--format", "json", "--data", shop)
    assert json.loads(written) == [
        {"outcome": "purchase", "value": 49.9, "is_converted": True},
        {"outcome": "bounce", "value": None, "is_converted": False},
    ]
    file = tmp_path / "out.parquet"
    assert call("query", sql, "--format", "parquet", "--output", file, "--data", shop)[0] == 0
    assert pq.read_table(file).column("outcome").to_pylist() == ["purchase", "bounce"]


def test_query_lists_tables_and_columns(shop: Path) -> None:
    _, out, _ = call("query", "--tables", "--data", shop)
    assert "a session: an unbroken series of a visitor's events" in out
    _, out, _ = call("query", "--tables", "sessions", "--data", shop)
    assert "Why a session starts here" in out
    assert call("query", "--tables", "sesions", "--data", shop)[0] == 2


def test_query_prints_a_duckdb_error_in_one_line(shop: Path) -> None:
    code, _, err = call("query", "select nope from sessions", "--data", shop)
    assert code == 1
    assert 'Referenced column "nope" not found' in err
    assert len(err.splitlines()) == 1


def test_show_prints_the_timeline_of_a_session(shop: Path) -> None:
    _, out, _ = call("query", "select session_id from sessions where visitor_id = 'ann'", "-f", "csv", "--data", shop)
    session_id = out.splitlines()[1]
    code, story, _ = call("show", session_id[:12], "--data", shop)
    assert code == 0
    for part in (
        f"Session {session_id}  visitor ann, site main",
        "Tue 2024-03-05 23:50:00 to Wed 2024-03-06 00:06:00 UTC, 16 min; 4 events, 1 page view",
        "no event in the 30 minutes before; the visitor's first known session",
        "purchase, value 49.9 EUR: decided by event 4; the visitor did not return",
        "file 1 is raw/web/events.jsonl",
    ):
        assert part in story
    rows = [line.split() for line in story.splitlines()]
    assert ["2", "03-05", "23:55:00", "5", "min", "add_to_cart", "1:2"] in rows
    assert ["dropped:", "copy", "1:3"] in rows
    assert ["4", "03-06", "00:06:00", "1", "min", "purchase", "49.9", "EUR", "1:5", "◀", "purchase"] in rows
    assert json.loads(call("show", session_id, "--json", "--data", shop)[1])["events"][3]["line_number"] == 5


def test_show_rejects_an_ambiguous_id_prefix() -> None:
    with duckdb.connect() as warehouse:
        warehouse.execute("create table sessions as select unnest(['aa1', 'ab2', 'ab3']) as session_id")
        assert timeline._find(warehouse, "aa")["session_id"] == "aa1"
        with pytest.raises(WrongUseError, match="ab2, ab3; give more of the id"):
            timeline._find(warehouse, "ab")


def test_export_writes_a_full_copy_and_never_overwrites(shop: Path, tmp_path: Path) -> None:
    file = tmp_path / "copy.duckdb"
    assert call("export", file, "--data", shop)[0] == 0
    with (
        duckdb.connect(str(file), read_only=True) as copy,
        duckdb.connect(str(shop / "warehouse.duckdb"), read_only=True) as warehouse,
    ):
        for table in ("sessions", "events", "warehouse_info"):
            assert copy.sql(f"from {table}").fetchall() == warehouse.sql(f"from {table}").fetchall()
    assert call("export", file, "--data", shop)[0] == 2


def test_sample_writes_the_truth_outside_raw(own_shop: Path, tmp_path: Path) -> None:
    small = ("--visitors", "20", "--days", "2", "--seed", "5")
    assert call("sample", *small, "--data", own_shop)[0] == 0
    assert (own_shop / "truth" / "sessions.csv.gz").is_file()
    assert call("sample", tmp_path / "elsewhere", *small)[0] == 0
    assert (tmp_path / "elsewhere-truth" / "sessions.csv.gz").is_file()
    delivered = sorted(path.name for path in (own_shop / "raw" / "sample").iterdir())
    assert delivered == sorted(path.name for path in (tmp_path / "elsewhere").iterdir())
    assert call("sample", *small, "--data", own_shop)[0] == 2


def test_report_prints_its_path(shop: Path) -> None:
    code, out, _ = call("report", "--data", shop)
    assert (code, Path(out.strip()).is_file()) == (0, True)

"""Tests the commands run, plan, status, check and verify: output, warnings and exit codes."""

import gzip
import json
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from session_pipeline.cli import results, summary
from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import history
from session_pipeline.run.opened import open_folder, open_store
from session_pipeline.run.outcome import FailedCheck, Outcome
from session_pipeline.run.pipeline import open_run
from session_pipeline.store.records import Key, Partition
from session_pipeline.store.store import Store
from session_pipeline_tests.deployment import Deployment, damage
from session_pipeline_tests.shop_commands import (
    EVENTS,
    FirstRun,
    call,
    deliver,
    deliver_one_more_line,
    run,
    with_modes,
)


@pytest.mark.long
def test_folder_without_settings_uses_the_packaged_settings(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "raw").mkdir(parents=True)
    deliver(data, "events.jsonl", *EVENTS)
    note = f"{data} has no settings.toml: the packaged settings are used; `session-pipeline init {data}` writes a"
    for command in ("check", "plan", "status"):
        code, _, err = call(command, "--data", data)
        assert (code, err.startswith(note)) == (0, True), err
    ran = run(data)
    assert (ran.returncode, ran.stderr.startswith(note)) == (0, True), ran.stderr
    for command in ("sessions", "verify"):
        code, _, err = call(command, "--data", data)
        assert (code, err.startswith(note)) == (0, True), err
    assert "the packaged settings: valid" in call("check", "--data", data)[1]
    assert "with the packaged settings" in call("try", data / "raw" / "web" / "events.jsonl", "--data", data)[1]
    assert not (data / "settings.toml").exists()

    assert call("init", data)[0] == 0
    settings = data / "settings.toml"
    settings.write_text(settings.read_text().replace("max_paths = 1000 ", "max_paths = 500 "))  # few tables read it
    assert "no settings.toml" not in run(data).stderr
    settings.unlink()
    for command in ("run", "plan", "status", "check"):
        code, _, err = call(command, "--data", data)
        assert (code, "settings.toml is missing, but the store was built with it; restore it" in err) == (1, True), err
        assert "the packaged settings are used" not in err


@pytest.mark.long
def test_folder_without_events_is_up_to_date_after_a_run(tmp_path: Path) -> None:
    data = tmp_path / "my shop"
    assert f"session-pipeline run --data '{data}'" in call("init", data)[1]
    deliver(data, "events.jsonl", {"no": "event"})
    assert "Up to date" not in call("status", "--data", data)[1]
    run(data)
    assert "Up to date through" in call("plan", "--data", data)[1]
    assert "Up to date  through" in call("status", "--data", data)[1]
    assert call("query", "select count(*) from visitors", "-f", "csv", "--data", data)[1].splitlines()[1] == "0"


@pytest.mark.long
def test_day_before_a_built_one_can_be_delivered_with_a_much_earlier_day(tmp_path: Path) -> None:
    """The plan has two ranges then. Between them, a built day with new lines waits for the day before it."""

    def views(*times: str) -> list[dict[str, str]]:
        return [{"visitor_id": "v", "event_time": f"2024-{time}:00Z", "event_name": "page_view"} for time in times]

    (tmp_path / "raw").mkdir()
    deliver(tmp_path, "first.jsonl", *views("03-10T10:00", "04-12T10:00"))
    Deployment.at(tmp_path).run()
    deliver(tmp_path, "second.jsonl", *views("03-10T11:00", "04-11T12:00", "04-12T13:00"))
    ran = run(tmp_path)
    assert "5 = 5 events + 0 duplicates + 0 not built yet" in ran.stdout
    assert call("verify", "--data", tmp_path)[0] == 0


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


@pytest.mark.long
def test_second_run_builds_nothing_and_earlier_until_drops_days(own_shop: Path) -> None:
    printed = json.loads(run(own_shop, "--json").stdout)
    assert printed["built_days"] == []
    assert printed["outcomes"] == {"bounce": 2, "purchase": 1}
    assert printed["funnels"]["checkout"] == [["add to cart", 1], ["begin checkout", 1], ["purchase", 1]]
    assert printed["optional"]["checkout"] == []
    assert printed["grains"] == {"checkout": "session", "product to purchase": "visitor"}
    assert ", and published" in call("plan", "--data", own_shop)[1]

    printed = json.loads(run(own_shop, "--until", "2024-03-05", "--json").stdout)
    assert (printed["ledger"]["events"], printed["ledger"]["waiting"]) == (2, 4)


@pytest.mark.long
def test_run_names_tables_without_days_if_only_they_were_built(own_shop: Path) -> None:
    settings = own_shop / "settings.toml"
    settings.write_text(settings.read_text().replace("retention_days = 30", "retention_days = 10"))
    assert "Built     retention, of all days; in " in run(own_shop).stdout
    printed = json.loads(run(own_shop, "--json").stdout)
    assert (printed["built_days"], printed["built_tables"]) == ([], [])


@pytest.mark.long
def test_run_warns_about_unusable_files(own_shop: Path) -> None:
    deliver(own_shop, "foreign.jsonl", '{"who": "ann"}\n', '{"who": "bob"}\n')
    (own_shop / "raw" / "web" / "cut.jsonl.gz").write_bytes(gzip.compress(b'{"a": 1}\n' * 1000)[:-20])
    deliver(own_shop, "cut_list.json", '[{"visitor_id": "ann"},\n')
    result = run(own_shop)
    assert result.returncode == 0
    assert "raw/web/foreign.jsonl: 2 of 2 lines were quarantined, 2 of them for missing_visitor_id" in result.stdout
    cut = r"raw/web/cut\.jsonl\.gz: the file cannot be read \(gzip, cut short .*\); fix that and deliver it again\n"
    assert re.search(cut, result.stdout)
    cut_list = "raw/web/cut_list.json: the file cannot be read (JSON that ends within a value; deliver it again)\n"
    assert cut_list in result.stdout
    code, out, _ = call("status", "--data", own_shop)
    assert (code, bool(re.search(cut, out))) == (0, True), out
    assert " 2 corrupt, 0 refused; 4 under raw/\n" in result.stdout
    again = run(own_shop)
    assert (
        "0 new, 0 redelivered, 0 corrupt, 0 refused; 4 under raw/, 2 of them not accepted by earlier runs\n"
        in again.stdout
    )


def test_status_says_that_files_which_were_accepted_are_gone(own_shop: Path, tmp_path: Path) -> None:
    shutil.rmtree(own_shop / "raw")  # as if its disk were not mounted
    gone = f"there are no files under {own_shop / 'raw'} any more; what is stored of 1 accepted file stays; if nobody"
    assert gone in call("status", "--data", own_shop)[1]
    (tmp_path / "new" / "raw").mkdir(parents=True)
    assert f"there are no files under {tmp_path / 'new' / 'raw'} yet" in call("status", "--data", tmp_path / "new")[1]


@pytest.mark.long
def test_plan_status_and_run_report_the_same_problems(own_shop: Path) -> None:
    deliver(own_shop, "foreign.jsonl", '{"who": "ann"}\n', '{"who": "bob"}\n')
    (own_shop / "raw" / "web" / "cut.jsonl.gz").write_bytes(gzip.compress(b'{"a": 1}\n' * 1000)[:-20])
    deliver(own_shop, "cut_list.json", '[{"visitor_id": "ann"},\n')
    settings = own_shop / "settings.toml"
    settings.write_text(settings.read_text() + '\n[sources.app]\nexpected_by = "00:00"\n')
    warnings = json.loads(run(own_shop, "--json").stdout)["warnings"]
    planned = json.loads(call("plan", "--json", "--data", own_shop)[1])
    assert planned["problems"] + planned["warnings"] == warnings
    refused = json.loads(call("status", "--json", "--data", own_shop)[1])["files_not_accepted"]
    assert [(file["path"], file["status"]) for file in refused] == [
        ("web/cut.jsonl.gz", "corrupt"),
        ("web/cut_list.json", "corrupt"),
    ]
    assert all(file["reason"] in " ".join(warnings) for file in refused)
    code, out, err = call("status", "--check", "--data", own_shop)
    assert code == 1
    for problem in (
        "raw/web/cut.jsonl.gz: the file cannot be read",
        "raw/web/foreign.jsonl: 2 of 2 lines were quarantined",
        "app: no events of ",
    ):
        assert any(problem in warning for warning in warnings), problem
        assert problem in out
        assert problem in err
        assert problem in call("plan", "--data", own_shop)[1]


def test_status_lists_failed_checks_and_warnings(own_shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = [FailedCheck("ledger_closes", "two lines are lost", True), FailedCheck("bot_share", "all are bots", False)]
    monkeypatch.setattr(history, "failed_checks", lambda folder, names: failed)
    code, out, err = call("status", "--check", "--data", own_shop)
    assert (code, "ledger_closes: two lines are lost" in err, "bot_share" in err) == (1, True, False)
    assert "bot_share: all are bots" in out


@pytest.mark.long
def test_status_names_a_report_that_does_not_show_what_is_published(own_shop: Path) -> None:
    reports = own_shop / "reports"
    assert "reports/" not in call("status", "--check", "--data", own_shop)[2]
    assert "does not show" not in with_modes({reports: 0o000}, "status", "--check", "--data", own_shop).stderr
    (reports / "latest.html").unlink()
    code, _, err = call("status", "--check", "--data", own_shop)
    assert code == 1
    assert "reports/latest.html does not show what is published; write it with `session-pipeline run`" in err
    shutil.rmtree(reports)
    reports.touch()
    assert "reports/latest.html does not show what is published" in call("status", "--check", "--data", own_shop)[2]


def test_status_of_changed_settings_names_no_newer_data(own_shop: Path) -> None:
    settings = own_shop / "settings.toml"
    assert "published yet" not in call("status", "--data", own_shop)[1]
    settings.write_text(f"start_date = 2018-01-01\n{settings.read_text().replace('start_date', '# start_date')}")
    assert "; the current state is not published yet" in call("status", "--data", own_shop)[1]


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


def test_run_prints_the_first_funnels_and_counts_the_rest(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(results, "MOST_FUNNELS", 1)
    with open_folder(DataFolder(shop)) as opened:
        summary.show(summary.gather(opened, Outcome(), warnings=[], seconds=0))
    shown = capsys.readouterr().out
    assert shown.count("Funnel  ") == 1
    assert 'and 1 more funnel: `session-pipeline query "from funnel_steps"`' in shown


def test_run_without_work_prepares_the_home_of_dagster(own_shop: Path) -> None:
    assert run(own_shop).returncode == 0
    home = own_shop / "dagster_home"
    shutil.rmtree(home)
    ran = run(own_shop)
    assert (ran.returncode, "nothing, all days are up to date" in ran.stdout) == (0, True), ran.stderr
    assert [path.name for path in home.iterdir()] == ["dagster.yaml"], "Dagster itself is not loaded"


@pytest.mark.long
def test_run_prints_one_sentence_on_failure(own_shop: Path) -> None:
    deliver(own_shop, "more.jsonl", "{broken\n")  # is published without a day to build
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
    printed = json.loads(out)
    assert code == 0
    assert printed["lines"] == {"line": 8, "accepted": 7, "set_aside": 1, "erased": 0}
    assert printed["days"] == ["2024-03-05", "2024-03-06", "2024-03-07"]
    assert [(past["job"], past["status"]) for past in printed["runs"]] == [("build", "success"), ("ingest", "success")]
    assert "8 = 7 accepted + 1 quarantined" in call("status", "--data", shop)[1]
    assert call("status", "--check", "--data", shop)[0] == 0
    code, _, err = call("status", "--check", "--max-age", "0min", "--data", shop)
    assert (code, "the published state is" in err) == (1, True)


@pytest.mark.long
def test_verify_finds_damaged_and_missing_files_and_run_fixes_them(own_shop: Path) -> None:
    (own_shop / "lake" / "sessions" / "session_date=2024-03-05" / "data.parquet").unlink()
    code, out, _ = call("verify", "--json", "--data", own_shop)
    assert (code, "1 file of the lake is missing" in json.loads(out)["problems"][0]) == (1, True)

    (own_shop / "warehouse.duckdb").unlink()
    victim = next((own_shop / "store" / "events" / "event_date=2024-03-05").iterdir())
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    damage(victim, content)
    code, out, err = call("verify", "--data", own_shop)
    assert (code, "Traceback" in err) == (1, False)
    assert f"events[2024-03-05]: {victim} does not contain what was written" in out
    assert "there is no" in out

    with closing(open_store(DataFolder(own_shop))) as store:
        store.mark_damaged(store.partitions[Key("events", date(2024, 3, 5))])
    planned = json.loads(call("plan", "--json", "--data", own_shop)[1])["items"]
    assert ("data", "its file is damaged") in {(item["kind"], item["reason"]) for item in planned}

    assert run(own_shop).returncode == 0
    code, out, _ = call("verify", "--data", own_shop)
    assert (code, "every line is accounted for" in out) == (0, True)


def test_verify_says_which_files_of_a_run_at_the_same_time_it_did_not_check(
    own_shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hashes without the lock, and waits for the run only then."""
    deliver_one_more_line(own_shop)

    def hash_and_run(store: Store) -> Iterator[tuple[Partition, str | None]]:
        yield from verify_store(store)
        with open_run(DataFolder(own_shop), run_id="test") as started:
            started.ingest()

    verify_store = Store.verify
    monkeypatch.setattr(Store, "verify", hash_and_run)
    code, out, _ = call("verify", "--data", own_shop)
    assert (code, "not checked: 2 files that a run wrote at the same time; verify again" in out) == (0, True)
    monkeypatch.undo()
    assert json.loads(call("verify", "--json", "--data", own_shop)[1])["unverified_count"] == 0


def test_verify_says_whether_it_compared_the_published_files(own_shop: Path) -> None:
    code, out, _ = call("verify", "--data", own_shop)
    assert (code, "accounted for; the warehouse and the lake are as published" in out) == (0, True)
    deliver_one_more_line(own_shop)
    with open_run(DataFolder(own_shop), run_id="test") as started:
        started.ingest()
    code, out, _ = call("verify", "--data", own_shop)
    said = "the warehouse and the lake are not up to date, so they were not compared; run `session-pipeline run`"
    assert (code, said in out) == (0, True)


def test_ui_on_a_port_in_use_is_wrong_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code, _, err = call("dev", "--port", port, "--data", Deployment(tmp_path / "data").folder.path)
    assert (code, f"port {port} is in use; name another with --port" in err) == (2, True), err

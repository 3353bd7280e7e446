"""Ids, addresses, values and secrets are only where SECURITY.md says, after runs that succeed and runs that fail."""

import contextlib
import io
import logging
import sqlite3
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from session_pipeline.cli import app
from session_pipeline_tests.canaries import areas_of, places_with
from session_pipeline_tests.deployment import Deployment, damage

pytestmark = pytest.mark.long

DAY = date(2024, 5, 6)
VISITOR, USER, CLIENT_SESSION = "visitor-3141592653", "user-2718281828", "client-session-1414213562"
EMAIL, ADDRESS, OTHER_ADDRESS = "canary.1732050807@example.org", "203.0.113.77", "2001:db8:77::1618:339"
SECRET, WRONG = "secret-0577215664", "wrong-0915965594"
IS_FILE = (".parquet", ".duckdb")
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
TABLES_OF_READERS = {"store", "lake", "warehouse.duckdb"}
SETTINGS = {
    "start_date": date(2024, 5, 1),
    "resources": {"threads": 1},
    "alerts": {"command": [sys.executable, "-c", "import sys; sys.exit(3)", SECRET]},
    "goals": [{"name": "paid", "where": "event_name = 'purchase'"}],
    "sources": {"form": {"visitor_address": "ip"}, "logs": {"format": "access_log"}},
}


@dataclass(frozen=True)
class Seen:
    """A deployment after many commands, and everything that these printed."""

    deployment: Deployment
    session_id: str
    printed: Mapping[str, str]


def event(number: int, **more: Any) -> dict[str, Any]:
    return {
        "event_id": f"event {number}",
        "visitor_id": VISITOR,
        "user_id": USER,
        "client_session_id": CLIENT_SESSION,
        "event_time": f"{DAY}T10:{number:02}:00Z",
        "event_name": "page_view",
        "page_url": f"https://shop.example/{number}?email={EMAIL}&q=lamp",
        "properties": {"contact": {"email": EMAIL}, "ip": ADDRESS},
        **more,
    }


def deliver(deployment: Deployment) -> None:
    broken = [f'{{"visitor_id": "{VISITOR}", "address": "{ADDRESS}", ', f"{VISITOR} {OTHER_ADDRESS} no JSON"]
    wrong = [event(20, event_time=WRONG), event(21, value=f"{WRONG} {ADDRESS}")]
    deployment.deliver("events", [*map(event, range(5)), event(3), event(1, event_name="other"), *broken, *wrong])
    deployment.deliver(
        "form", [{**event(7), "visitor_id": None, "ip": ADDRESS, "event_id": "form 1"}, {"ip": ADDRESS}], "form"
    )
    logs = deployment.folder.raw / "logs" / "access.log"
    logs.parent.mkdir()
    request = f'GET /a?email={EMAIL}&ip={ADDRESS} HTTP/1.1" 200 5 "https://x.example/?a={ADDRESS}" "{AGENT}'
    logs.write_text(f'{ADDRESS} - - [06/May/2024:10:00:00 +0000] "{request}"\n{OTHER_ADDRESS} {EMAIL} is no log line\n')
    (deployment.folder.raw / "test" / "broken.jsonl.gz").write_bytes(f"no gzip {VISITOR} {EMAIL}".encode())
    (deployment.folder.raw / "test" / "twice.csv").write_text(f"email,email,visitor_id\n{EMAIL},2,{VISITOR}\n")
    (deployment.folder.raw / "test" / "picture.jsonl").write_bytes(b"\x89PNG\r\n\x1a\n" + EMAIL.encode())


def session_id_of(deployment: Deployment) -> str:
    rows = deployment.table("events")
    return str(rows[rows["visitor_id"] == VISITOR]["session_id"].iloc[0])


def call(printed: dict[str, str], deployment: Deployment, *arguments: str) -> int:
    """Run a command; record what it prints, also through logging."""
    logged = io.StringIO()
    handler = logging.StreamHandler(logged)
    logging.getLogger().addHandler(handler)
    with contextlib.closing(handler):
        result = CliRunner().invoke(app, [*arguments, "--data", str(deployment.folder.path)])
    logging.getLogger().removeHandler(handler)
    printed[f"{len(printed)} {' '.join(arguments)}"] = result.output + logged.getvalue() + str(result.exception or "")
    return result.exit_code


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    deployment = Deployment(tmp_path_factory.mktemp("canaries") / "data", SETTINGS)
    deliver(deployment)
    printed: dict[str, str] = {}
    until = ("--until", str(DAY))
    call(printed, deployment, "plan")
    assert call(printed, deployment, "run", *until) == 0
    # A day is built wrongly, so a run fails; and a file of the store is damaged.
    deployment.deliver("late", [event(9), event(10)])
    # The ledger is wrong about another file than the damaged one, because that one is read again and recorded again.
    with contextlib.closing(sqlite3.connect(deployment.folder.store / "catalog.sqlite")) as catalog:
        stored = "select path, file_id from partitions where table_name = 'raw_events' order by file_id, path"
        (raw, damaged), *_ = catalog.execute(stored).fetchall()
        catalog.execute(
            "update source_files set facts = json_set(facts, '$.line_count', 99), digest = ''"
            " where file_id <> ? and json_extract(facts, '$.status') = 'accepted'",
            (damaged,),
        )
        catalog.commit()
    damage(deployment.folder.store / raw, b"damaged")
    assert call(printed, deployment, "run", *until) == 1
    for command in (["plan"], ["status"], ["status", "--json"], ["check"], ["verify"], ["report"]):
        call(printed, deployment, *command)
    call(printed, deployment, "query", "select nothing from events")
    call(printed, deployment, "query", "select count(*), max(len(properties)) from events")
    deployment.set({**SETTINGS, "goals": [{"name": "paid", "where": "no_column = 1"}]})
    assert call(printed, deployment, "run", *until) == 1
    deployment.set(SETTINGS)
    return Seen(deployment, session_id_of(deployment), printed)


def test_commands_print_no_values(seen: Seen) -> None:
    texts = (VISITOR, USER, CLIENT_SESSION, EMAIL, ADDRESS, OTHER_ADDRESS, SECRET, seen.session_id)
    found = {(command, text) for command, output in seen.printed.items() for text in texts if text in output}
    assert not found
    assert any("failed" in output for output in seen.printed.values())


@pytest.mark.parametrize("text", [VISITOR, USER, CLIENT_SESSION])
def test_ids_are_in_tables_only(seen: Seen, text: str) -> None:
    places = places_with(seen.deployment.folder, text)
    assert areas_of(places) == TABLES_OF_READERS
    assert {"store/raw_events", "store/events", "warehouse.duckdb/main.events"} <= places


def test_values_of_wrong_fields_are_in_quarantined_lines_and_as_examples_in_reports(seen: Seen) -> None:
    places = places_with(seen.deployment.folder, WRONG)
    assert {place for place in places if not place.endswith(".parquet")} - {"warehouse.duckdb"} == {
        *("store/quarantined_lines", "lake/quarantined_lines", "warehouse.duckdb/main.quarantined_lines"),
        *("reports/latest.html", f"reports/{DAY}.html"),
    }


def test_session_ids_are_in_tables_and_as_examples_in_reports(seen: Seen) -> None:
    assert areas_of(places_with(seen.deployment.folder, seen.session_id)) - {"reports"} == TABLES_OF_READERS


def test_values_of_properties_are_in_events_only(seen: Seen) -> None:
    places = places_with(seen.deployment.folder, EMAIL)
    assert areas_of(places) == TABLES_OF_READERS
    tables = {Path(place).name.removeprefix("main.") for place in places if Path(place).suffix not in IS_FILE}
    assert tables == {"raw_events", "events", "quarantined_lines"}


@pytest.mark.parametrize("text", [ADDRESS, OTHER_ADDRESS])
def test_addresses_are_in_delivered_files_only(seen: Seen, text: str) -> None:
    assert places_with(seen.deployment.folder, text) == set()


def test_arguments_of_the_alert_command_are_in_settings_only(seen: Seen) -> None:
    assert places_with(seen.deployment.folder, SECRET) == {"settings.toml"}


def test_visitor_key_is_in_its_file_only(seen: Seen) -> None:
    key = seen.deployment.folder.visitor_key.read_text().strip()
    assert places_with(seen.deployment.folder, key) == {"visitor_key"}
    assert seen.deployment.folder.visitor_key.stat().st_mode & 0o077 == 0

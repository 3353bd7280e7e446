"""Tests access logs in whole runs: no address leaves the delivered file, lost keys, assets, and public data."""

import csv
import gzip
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pyarrow.parquet as pq
import pytest

from session_pipeline.ingest.formats.compression import zstd
from session_pipeline.run import delivered_files
from session_pipeline.run.pipeline import open_run, open_store
from session_pipeline.settings import load_settings
from session_pipeline.store.store import Store
from session_pipeline_tests.access_logs import NGINX_MAIN, combined
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.listeners import Listener
from session_pipeline_tests.oracles.published_cases import FIXTURES, NEEDS_FIXTURES
from session_pipeline_tests.public_events import sessions_by_gap, sessions_of
from session_pipeline_tests.shop_commands import call, run


@pytest.mark.long
def test_no_address_leaves_the_delivered_file(tmp_path: Path) -> None:
    addresses = ["198.51.100.23", "2001:db8:abcd:12::7", "203.0.113.77", "dial-77.example.net", "10.99.98.97"]
    other_forms = {
        "198.51.100.23": ["198%2E51%2E100%2E23", "%31%398.51.100.23"],
        "2001:db8:abcd:12::7": ["2001:0db8:abcd:0012:0:0:0:7", "2001%3ADB8%3aabcd%3A12%3A%3A0007"],
    }
    data = tmp_path / "data"
    assert call("init", data)[0] == 0
    with (data / "settings.toml").open("a") as settings:
        settings.write(f"\n[sources.web]\nlog_format = '{NGINX_MAIN}'\n")
        settings.write("[sources.app]\nvisitor_address = 'from'\n")
    lines = []
    for number, address in enumerate(addresses):
        for written in (address, quote(address, safe=""), *other_forms.get(address, [])):
            page = f"GET /whois/{written}?q={written}&ip={written} HTTP/1.1"
            lines += [
                combined(page, address=address, user=f"u{number}", referrer=f"http://e.org/{written}") + ' "-"',
                combined(page, address=address, agent=f"bot {written}") + f' "{address}, 10.99.98.97"',
                combined(f"{written} / HTTP/1.1", address=address) + ' "-"',
                combined(page, address=address, time="never") + ' "-"',
                combined(page, address=address, time="31/Feb/2024:13:55:36 -0700") + ' "-"',
                combined(page, address=address) + ' "unknown',
                f"{address} something else",
            ]
    folder = data / "raw" / "web"
    folder.mkdir()
    (folder / "access.log.zst").write_bytes(zstd.compress("\n".join(lines).encode()))
    (folder / "bad.log").write_bytes(b"\n".join(line.encode() + b"\xff" for line in lines))
    app = [{"from": address, "event_time": "2024-10-10", "event_name": "a"} for address in addresses]
    (data / "raw" / "app").mkdir()
    (data / "raw" / "app" / "a.jsonl").write_text("\n".join(map(json.dumps, [*app, {"from": addresses[0]}])))

    done = run(data)
    assert done.returncode == 0, done.stderr
    assert "WARNING: " in done.stdout
    assert "visitor_key" not in done.stdout, "the key of a first run replaces none"
    key = (data / "visitor_key").read_text().strip()
    said = [done.stdout, done.stderr, call("status", "--data", data)[1], call("plan", "--data", data)[1]]
    secrets = [*addresses[:3], addresses[4], *(quote(address, safe="") for address in addresses[:3])]
    secrets += [form for forms in other_forms.values() for form in forms]
    named = [text for text in map(str, everything_in(data)) if addresses[3] in text]
    assert named == [], "a host's name that came as an address"
    for text in [*everything_in(data), *said]:
        for secret in [*secrets, key]:
            assert secret not in text
    with open_store_of(data) as store:
        assert {item.facts["status"] for item in store.catalog.source_files().values()} == {"accepted"}
        accepted = sum(partition.row_count for partition in store.of_table("raw_events"))
        assert accepted == 2 * (2 * len(addresses) + sum(map(len, other_forms.values()))) + len(addresses)


def open_store_of(data: Path) -> closing[Store]:
    return closing(open_store(Deployment.at(data).folder))


def everything_in(data: Path) -> Iterator[str]:
    """Yield the bytes of every file outside raw/ and the values of every table, as text."""
    for path in sorted(data.rglob("*")):
        if not path.is_file() or path.is_relative_to(data / "raw") or path.name == "visitor_key":
            continue
        yield path.read_bytes().decode("latin-1")
        if path.suffix == ".parquet":
            yield str(pq.ParquetFile(path).read().to_pylist())
        if path.suffix in (".sqlite", ".db"):
            with sqlite3.connect(path) as connection:
                yield "\n".join(connection.iterdump())
        if path.suffix == ".duckdb":
            with duckdb.connect(str(path), read_only=True) as warehouse:
                names = "select table_schema, table_name from information_schema.tables"
                for schema, name in warehouse.execute(names).fetchall():
                    yield str(warehouse.execute(f'select * from "{schema}"."{name}"').fetchall())


@pytest.mark.long
def test_lost_key_is_reported_and_files_are_read_again(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, {"start_date": date(2024, 1, 1)}, only=("sessions",))
    folder = deployment.folder
    path = folder.raw / "web" / "access.log"
    path.parent.mkdir(parents=True)
    path.write_text(combined() + "\n")
    other = deployment.deliver("a", [{"visitor_id": "v", "event_time": "2024-10-10", "event_name": "a"}])
    deployment.run(date(2024, 10, 12))
    [before] = set(deployment.table("events")["visitor_id"]) - {"v"}
    kept = folder.visitor_key.read_text()
    settings = load_settings(folder.path)

    def lost_key() -> tuple[str | None, dict[str, str]]:
        with open_store_of(tmp_path) as store:
            return delivered_files.lost_visitor_key(folder, store), delivered_files.files_to_read(
                folder, settings, store
            )

    assert lost_key() == (None, {})
    assert deployment.run(date(2024, 10, 12)) == []
    folder.visitor_key.unlink()
    sentence, files = lost_key()
    assert "the visitor ids of 1 file were made with a visitor_key other than" in str(sentence)
    assert list(files) == ["web/access.log"]
    assert "visitor_key" in call("status", "--data", tmp_path)[1]
    deployment.run(date(2024, 10, 12))
    [after] = set(deployment.table("events")["visitor_id"]) - {"v"}
    assert after != before
    assert lost_key() == (None, {})
    folder.visitor_key.write_text(kept)
    path.unlink()
    assert other.exists()
    assert "the visitor ids of 1 file" in str(lost_key()[0])
    assert run(tmp_path).stdout.count("the visitor ids of 1 file") == 1, "not also as a warning of the check"
    assert call("status", "--data", tmp_path)[1].count("the visitor ids of 1 file") == 1
    with open_run(folder, run_id="test", until=date(2024, 10, 12)) as run_:
        run_.ingest()
    assert pipeline_gone(folder, settings) == ["web/access.log"]


@pytest.mark.long
def test_run_says_that_it_replaced_a_lost_key(tmp_path: Path) -> None:
    """After the run, all ids match the new key: only its own warning and alert show that they have changed."""
    listener = Listener(tmp_path / "listener")
    settings = {"start_date": date(2024, 1, 1), "alerts": {"command": list(listener.command)}}
    deployment = Deployment(tmp_path / "data", settings)
    path = deployment.folder.raw / "web" / "access.log"
    path.parent.mkdir(parents=True)
    path.write_text(combined() + "\n")
    deployment.run(date(2024, 10, 12), publishes=False)  # a first run of the command is in the first test
    deployment.folder.visitor_key.unlink()
    ran = run(deployment.folder.path)
    sentence = "visitor_key was missing or changed, so 1 file was read again with another key"
    assert (ran.returncode, ran.stdout.count(sentence)) == (0, 1), ran.stderr
    [warned] = [one for one in listener.heard() if one["about"] == "check visitor_key_kept"]
    assert sentence in warned["sentence"]
    assert sentence in call("status", "--data", deployment.folder.path)[1]


def pipeline_gone(folder: Any, settings: Any) -> list[str]:
    with open_store_of(folder.path) as store:
        return delivered_files.files_gone(folder, settings, store)


def test_assets_and_requests_are_not_actions_or_interactions(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, {"start_date": date(2024, 1, 1)}, only=("session_actions",))
    path = deployment.folder.raw / "web" / "access.log"
    path.parent.mkdir(parents=True)
    start = datetime(2024, 10, 10, 12, tzinfo=UTC)
    requests = [
        ("192.0.2.1", ["GET /logo.png HTTP/1.1", "GET /a HTTP/1.1", "GET /style.css HTTP/1.1", "HEAD / HTTP/1.1"]),
        ("198.51.100.1", ["GET /a HTTP/1.1", "POST /login HTTP/1.1"]),
    ]
    path.write_text(
        "\n".join(
            combined(request, address=address, time=f"{start + timedelta(seconds=number):%d/%b/%Y:%H:%M:%S %z}")
            for address, listed in requests
            for number, request in enumerate(listed)
        )
    )
    deployment.run(date(2024, 10, 12))
    sessions = deployment.table("sessions").sort_values("event_count", ascending=False).to_dict("records")
    names = (
        "event_count",
        "page_view_count",
        "landing_page",
        "landing_action",
        "exit_action",
        "is_engaged",
        "is_bounce",
    )
    assert [tuple(session[name] for name in names) for session in sessions] == [
        (4, 1, "/a", "/a", "/a", False, True),
        (2, 1, "/a", "/a", "submit", True, False),
    ]
    assert sorted(deployment.table("session_actions")["action"]) == ["/a", "/a", "submit"]


@pytest.mark.long
@NEEDS_FIXTURES
def test_nasa_log_sessions_by_network(tmp_path: Path) -> None:
    with (FIXTURES / "nasa_http_19950801" / "nasa_19950801.tsv").open(encoding="utf-8", newline="") as lines:
        records = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    deployment = Deployment(
        tmp_path,
        {
            "start_date": date(1995, 1, 1),
            "timezone": "America/New_York",
            "sources": {"nasa": {"format": "access_log", "log_format": "common"}},
        },
        only=("sessions",),
    )
    path = deployment.folder.raw / "nasa" / "access_log.gz"
    path.parent.mkdir(parents=True)
    offset = timezone(timedelta(hours=-4))
    written = [
        f"{record['host']} - - [{datetime.fromtimestamp(int(record['time']), offset):%d/%b/%Y:%H:%M:%S %z}]"
        f' "{record["method"]} {record["url"]} HTTP/1.0" {record["response"]} {record["bytes"] or "-"}'
        for record in records
    ]
    path.write_bytes(gzip.compress("\n".join(written).encode()))
    deployment.run(date(1995, 8, 3))
    [file] = deployment.records("source_files")
    set_aside = deployment.table("quarantined_lines")
    assert (file["line_count"], file["accepted_count"] + len(set_aside)) == (30_969, 30_969)
    assert len(set_aside) < 5
    left_out = set(set_aside["line_number"]) | set(deployment.table("duplicate_events")["line_number"])
    rows = [
        (re.sub(r"^(\d+\.\d+\.\d+)\.\d+$", r"\1", record["host"].lower()), int(record["time"]), number)
        for number, record in enumerate(records, start=1)
        if number not in left_out
    ]
    assert sessions_of(deployment) == sessions_by_gap(rows)
    names = deployment.table("events")["event_name"].value_counts().to_dict()
    pages = sum(
        record["method"] == "GET" and not record["url"].lower().endswith((".gif", ".jpg", ".xbm")) for record in records
    )
    assert names["asset"] > 10_000
    assert names["page_view"] <= pages

"""Tests the Python functions that read published tables."""

import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest

import session_pipeline
from session_pipeline.errors import StoreError, WrongUseError
from session_pipeline_tests.deployment import Deployment


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three visitors on three days: one session each day; the second day's has a purchase."""
    deployment = Deployment(tmp_path_factory.mktemp("reading"))
    deployment.deliver(
        "events",
        [
            {
                "visitor_id": "a",
                "event_time": "2024-03-01T10:00:00Z",
                "event_name": "page_view",
                "page_url": "https://x.y/",
            },
            {"visitor_id": "b", "event_time": "2024-03-02T10:00:00Z", "event_name": "purchase", "value": 12.5},
            {
                "visitor_id": "c",
                "event_time": "2024-03-03T10:00:00Z",
                "event_name": "page_view",
                "page_url": "https://x.y/",
            },
        ],
    )
    deployment.run(until=date(2024, 3, 4))
    return deployment.folder.path


def test_import_loads_neither_dagster_nor_pandas() -> None:
    code = "import sys, session_pipeline; assert not {'dagster', 'pandas', 'duckdb'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.long
def test_read_returns_the_requested_days_inclusive(data: Path) -> None:
    assert session_pipeline.read("sessions", data=data).visitor_id.tolist() == ["a", "b", "c"]
    some = session_pipeline.read("sessions", "2024-03-02", date(2024, 3, 3), data=data)
    assert some.visitor_id.tolist() == ["b", "c"]
    assert session_pipeline.read("sessions", end="2024-03-01", data=data).visitor_id.tolist() == ["a"]
    assert session_pipeline.read("sessions", start="2024-03-09", data=data).empty


@pytest.mark.long
@pytest.mark.parametrize(
    "settings",
    [{}, pytest.param({"publish": {"native_limit_gb": 0}}, marks=pytest.mark.nightly)],
    ids=["native tables", "views"],
)
def test_files_are_one_state_and_outlive_the_next_publication(tmp_path: Path, settings: dict[str, Any]) -> None:
    deployment = Deployment(tmp_path, settings)
    event = {"event_name": "page_view", "page_url": "https://x.y/"}
    for day in (1, 2):
        deployment.deliver(f"{day}", [event | {"visitor_id": "a", "event_time": f"2024-03-0{day}T10:00:00Z"}])
    deployment.run(until=date(2024, 3, 2))
    before = session_pipeline.files("sessions", data=tmp_path)
    assert [path.parent.name for path in before] == ["session_date=2024-03-01", "session_date=2024-03-02"]
    assert session_pipeline.files("sessions", "2024-03-02", "2024-03-02", data=tmp_path) == before[1:]

    deployment.deliver("late", [event | {"visitor_id": "b", "event_time": "2024-03-01T10:00:00Z"}])
    deployment.run(until=date(2024, 3, 2))
    after = session_pipeline.files("sessions", data=tmp_path)
    assert (after[0] != before[0], after[1]) == (True, before[1])
    for paths, count in ((before, 2), (after, 3)):
        assert sum(pq.read_metadata(path).num_rows for path in paths) == count
    for name in ("user_agents", "source_files", "quarantined_lines", "events"):
        rows = session_pipeline.read(name, data=tmp_path)
        assert sum(pq.read_metadata(path).num_rows for path in session_pipeline.files(name, data=tmp_path)) == len(rows)
    with pytest.raises(WrongUseError, match="in the warehouse only"):
        session_pipeline.files("warehouse_info", data=tmp_path)


def test_types_follow_the_contract_also_without_rows(data: Path) -> None:
    frame = session_pipeline.read("session_outcomes", data=data)
    empty = session_pipeline.read("session_outcomes", start="2024-03-09", data=data)
    pd.testing.assert_series_equal(frame.dtypes, empty.dtypes)
    assert frame.session_date.tolist() == list(pd.to_datetime(["2024-03-01", "2024-03-02", "2024-03-03"]))
    assert {name: str(frame[name].dtype) for name in ("value", "is_converted", "conversion_count")} == {
        "value": "float64",
        "is_converted": "boolean",
        "conversion_count": "Int64",
    }
    assert frame.value.sum() == 12.5


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("session",), "did you mean sessions?"),
        (("raw_events",), "is in the store only; did you mean events?"),
        (("zzz",), "the tables are source_files, "),
        (("sessions", "yesterday"), "start is 'yesterday', which is not a date"),
        (("sessions", None, "2024-02-30"), "end is '2024-02-30', which is not a date"),
        (("sessions", "2024-03-03", "2024-03-01"), "start 2024-03-03 is after end 2024-03-01"),
        (("source_files", "2024-03-01"), "source_files is not split by day"),
    ],
)
def test_wrong_arguments_are_refused_with_advice(data: Path, arguments: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(WrongUseError, match=sentence.replace("?", r"\?")):
        session_pipeline.read(*arguments, data=data)


def test_connect_is_read_only_and_locked_down(data: Path) -> None:
    with session_pipeline.connect(data) as warehouse:
        assert warehouse.sql("select count(*) from sessions").fetchall() == [(3,)]
        for sql in (
            "delete from sessions",
            "set threads = 1",
            f"copy sessions to '{data / 'stolen.csv'}'",
            "select * from read_csv('/etc/passwd')",
            "install httpfs",
        ):
            with pytest.raises(duckdb.Error):
                warehouse.execute(sql)


def test_environment_names_the_data_folder(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSION_PIPELINE_DATA", str(data))
    assert len(session_pipeline.read("sessions")) == 3


def test_errors_explain_what_to_do_when_nothing_can_be_read(tmp_path: Path) -> None:
    with pytest.raises(WrongUseError, match="session-pipeline init"):
        session_pipeline.connect(tmp_path)
    (tmp_path / "settings.toml").touch()
    with pytest.raises(StoreError, match="session-pipeline run"):
        session_pipeline.connect(tmp_path)
    (tmp_path / "warehouse.duckdb").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="cannot be opened"):
        session_pipeline.connect(tmp_path)


@pytest.mark.long
def test_new_connection_sees_the_new_state_despite_an_older_one(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    event = {"event_time": "2024-03-01T10:00:00Z", "event_name": "page_view", "page_url": "https://x.y/"}
    deployment.deliver("first", [event | {"visitor_id": "a"}])
    deployment.run(until=date(2024, 3, 2))
    with session_pipeline.connect(tmp_path) as before:
        assert session_pipeline.read("sessions", data=tmp_path).visitor_id.tolist() == ["a"]
        deployment.deliver("late", [event | {"visitor_id": "b"}])
        deployment.run(until=date(2024, 3, 2))
        assert session_pipeline.read("sessions", data=tmp_path).visitor_id.tolist() == ["a", "b"]
        assert before.sql("select visitor_id from sessions").fetchall() == [("a",)]


def test_package_lists_its_reader_functions() -> None:
    listed = subprocess.run(
        [sys.executable, "-c", "import session_pipeline; print(*dir(session_pipeline))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert {"connect", "files", "read"} <= set(listed)


def test_error_for_a_wrong_folder_names_the_argument(tmp_path: Path) -> None:
    for read in (session_pipeline.connect, lambda data: session_pipeline.files("sessions", data=data)):
        with pytest.raises(WrongUseError, match="or select another with the argument data or SESSION_PIPELINE_DATA"):
            read(tmp_path / "no")

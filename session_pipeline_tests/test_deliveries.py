"""Tests entries under raw/ that are not readable files: they are refused with a reason, and the rest is accepted."""

import gzip
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from time import sleep

import pytest

from session_pipeline.ingest import deliveries as ingest_deliveries
from session_pipeline.run.delivered_files import files_there, files_to_read
from session_pipeline.run.pipeline import open_run, open_store
from session_pipeline.settings import load_settings
from session_pipeline_tests.deployment import WITHOUT_PRIVILEGES, Deployment, steps_of

UNTIL = date(2026, 10, 6)
RUN_ONCE = """
import sys
from pathlib import Path
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.test_deliveries import UNTIL, to_read
deployment = Deployment.at(Path(sys.argv[1]))
deployment.only = ("sessions",)
deployment.run(UNTIL)
"""
LINE = {"visitor_id": "ann", "event_time": "2026-10-05T10:00:00Z", "event_name": "page_view"}


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    deployment = Deployment(tmp_path / "data", only=("sessions",))
    deployment.deliver("good", [LINE], "web")
    return deployment


def to_read(deployment: Deployment) -> dict[str, str]:
    with closing(open_store(deployment.folder)) as store:
        return files_to_read(deployment.folder, load_settings(deployment.folder.path), store)


def secret(deployment: Deployment) -> Path:
    path = deployment.folder.path / "secret.jsonl"
    path.write_text(json.dumps(LINE) + "\n")
    return path


def link(deployment: Deployment, raw: Path) -> None:
    (raw / "web" / "x.jsonl").symlink_to(secret(deployment))


def link_to_nothing(deployment: Deployment, raw: Path) -> None:
    (raw / "web" / "x.jsonl").symlink_to(raw / "nowhere.jsonl")


def link_upwards(deployment: Deployment, raw: Path) -> None:
    (raw / "web" / "x.jsonl").symlink_to(Path("..") / ".." / secret(deployment).name)


def linked_folder(deployment: Deployment, raw: Path) -> None:
    secret(deployment)
    (raw / "web" / "x").symlink_to(deployment.folder.path)


def linked_source(deployment: Deployment, raw: Path) -> None:
    secret(deployment)
    (raw / "x").symlink_to(deployment.folder.path)


def hard_link(deployment: Deployment, raw: Path) -> None:
    (raw / "web" / "x.jsonl").hardlink_to(secret(deployment))


def pipe(deployment: Deployment, raw: Path) -> None:
    os.mkfifo(raw / "web" / "x.jsonl")


def plug(deployment: Deployment, raw: Path) -> None:
    place = os.getcwd()
    os.chdir(raw / "web")  # the full path may be too long for a socket name
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind("x.jsonl")
    finally:
        os.chdir(place)


def device(deployment: Deployment, raw: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a device")
    os.mknod(raw / "web" / "x.jsonl", 0o600 | 0o020000, os.makedev(1, 5))  # the device /dev/zero


def folder_called_like_a_file(deployment: Deployment, raw: Path) -> None:
    (raw / "web" / "x.jsonl").mkdir()
    (raw / "web" / "x.jsonl" / "y.jsonl").write_text(json.dumps(LINE))


def delta_table(deployment: Deployment, raw: Path) -> None:
    log = raw / "web" / "visits" / "_delta_log"
    log.mkdir(parents=True)
    (log / "00000000000000000000.json").write_text('{"commitInfo": {}}\n')


def file_without_source(deployment: Deployment, raw: Path) -> None:
    (raw / "x.jsonl").write_text(json.dumps(LINE))


def header_with_a_name_twice(deployment: Deployment, raw: Path) -> None:
    (raw / "web" / "x.csv").write_text("visitor_id,visitor_id\na,b\n")


NIGHTLY = [pytest.mark.long, pytest.mark.nightly]


# The usual tests have the kinds that differ most. The long ones have all others, except those that are told from files
# by the same look at their mode.
@pytest.mark.parametrize(
    ("put", "reason"),
    [
        (link, "it is a link"),
        pytest.param(link_to_nothing, "it is a link", marks=pytest.mark.long),
        pytest.param(link_upwards, "it is a link", marks=NIGHTLY),
        pytest.param(linked_folder, "it is a link", marks=pytest.mark.long),
        pytest.param(
            linked_source,
            "it is a link, and links are not followed; put the files themselves into",
            marks=pytest.mark.long,
        ),
        pytest.param(hard_link, "it is a hard link", marks=pytest.mark.long),
        pytest.param(pipe, "it is not a regular file", marks=pytest.mark.long),
        pytest.param(plug, "it is not a regular file", marks=NIGHTLY),
        pytest.param(device, "it is not a regular file", marks=NIGHTLY),
        pytest.param(folder_called_like_a_file, "it is a folder that is called like a file", marks=pytest.mark.long),
        pytest.param(delta_table, "it is the log of a Delta table", marks=pytest.mark.long),
        (file_without_source, "it is not in the folder of a source"),
        pytest.param(header_with_a_name_twice, "its header names 'visitor_id' more than once", marks=pytest.mark.long),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_invalid_file_is_refused_and_the_rest_accepted(
    deployment: Deployment, put: Callable[[Deployment, Path], None], reason: str
) -> None:
    put(deployment, deployment.folder.raw)
    for _ in range(2):  # in the second run the file is known
        deployment.run(UNTIL)
        files = deployment.table("source_files").set_index("path")
        assert list(files["status"]) == ["accepted", "refused"] or list(files["status"]) == ["refused", "accepted"]
        refused = files[files["status"] == "refused"].iloc[0]
        assert reason in refused["reason"]
        assert "; " in refused["reason"], "it says what to do"
        assert len(deployment.table("events")) == 1
        assert not {item.step.name for item in deployment.plan(UNTIL).items} & steps_of(frozenset(["sessions"]))


@pytest.mark.long
def test_unreadable_file_is_refused_until_readable(deployment: Deployment) -> None:
    nested = deployment.deliver("nested/inner", [{**LINE, "visitor_id": "bob"}], "web")
    other = deployment.deliver("other", [{**LINE, "visitor_id": "dan"}], "app")
    locked = [deployment.deliver("locked", [{**LINE, "visitor_id": "cleo"}], "web"), nested.parent, other.parent]
    modes = [path.stat().st_mode for path in locked]
    for path, mode in zip(locked, (0o000, 0o600, 0o000), strict=True):
        path.chmod(mode)
    try:
        command = [*WITHOUT_PRIVILEGES, sys.executable, "-c", RUN_ONCE, str(deployment.folder.path)]
        subprocess.run(command, check=True, timeout=300)
    finally:
        for path, mode in zip(locked, modes, strict=True):
            path.chmod(mode)
    files = deployment.table("source_files").set_index("path")
    refused = files[files["status"] == "refused"]
    assert sorted(refused.index) == ["app", "web/locked.jsonl", "web/nested"]
    assert all("its permissions do not let it be read" in reason for reason in refused["reason"])
    assert [reason.partition(" (")[0] for reason in refused.sort_index()["reason"]] == [
        "the folder cannot be read",
        "the file is refused",
        "the folder cannot be read",
    ]
    assert len(deployment.table("events")) == 1

    deployment.run(UNTIL)
    assert len(deployment.table("events")) == 4
    with closing(open_store(deployment.folder)) as store:
        ledger = store.catalog.source_files()
        there = {ledger[file_id].facts["status"] for file_id in files_there(deployment.folder, store)}
    assert there == {"accepted"}, "what was fixed is not reported any more"


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user, who may read the file")
def test_file_refused_for_its_permissions_is_read_by_another_user(deployment: Deployment) -> None:
    locked = deployment.deliver("locked", [{**LINE, "visitor_id": "cleo"}], "web")
    locked.chmod(0o000)
    listed = deployment.folder.raw / "web" / "listed"  # its owner may list it and not enter it
    listed.mkdir(mode=0o444)
    command = [*WITHOUT_PRIVILEGES, sys.executable, "-c", f"{RUN_ONCE}print(to_read(deployment))"]
    command.append(str(deployment.folder.path))
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    assert done.stdout.endswith("{}\n"), "nothing to read for this user"
    assert sorted(deployment.table("source_files")["status"]) == ["accepted", "refused", "refused"]

    assert to_read(deployment)["web/locked.jsonl"] == "its permissions let it be read now"
    deployment.run(UNTIL)
    assert list(deployment.table("source_files")["status"]) == ["accepted", "accepted"]
    assert len(deployment.table("events")) == 2


@pytest.mark.long
def test_unreadable_raw_folder_is_an_error(deployment: Deployment) -> None:
    raw = deployment.folder.raw
    raw.chmod(0o300)
    try:
        command = [*WITHOUT_PRIVILEGES, sys.executable, "-c", RUN_ONCE, str(deployment.folder.path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    finally:
        raw.chmod(0o755)
    assert done.returncode == 1
    assert f"Permission denied: '{raw}'" in done.stderr


@pytest.mark.long
def test_process_without_utf8_names_keeps_an_accepted_file(deployment: Deployment) -> None:
    deployment.deliver("ä", [{**LINE, "visitor_id": "bob"}], "web")
    deployment.run(UNTIL)
    before = deployment.records("source_files")
    done = subprocess.run(
        [sys.executable, "-c", RUN_ONCE, str(deployment.folder.path)],
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0"},
        capture_output=True,
        encoding="ascii",
        timeout=300,
    )
    assert done.returncode == 1
    assert "web/\\xe4.jsonl cannot be read, because this process does not use UTF-8 for the names" in done.stderr
    assert deployment.records("source_files") == before
    assert len(deployment.table("events")) == 2


def test_growing_file_is_read_once_it_has_settled(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    path = deployment.deliver("growing", [LINE], "web")

    def grow(seconds: float) -> None:
        with path.open("a") as file:
            file.write(json.dumps({**LINE, "event_time": "2026-10-05T11:00:00Z"}) + "\n")

    with monkeypatch.context() as writer, open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        writer.setattr(ingest_deliveries, "sleep", grow)  # the file grows while the run waits
        summary = run.ingest(settle_seconds=600)
    assert (summary.read_count, summary.unsettled_count) == (1, 1)
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        summary = run.ingest(settle_seconds=0.1)
    assert (summary.read_count, summary.unsettled_count, summary.accepted_count) == (1, 0, 2)
    assert list(deployment.table("source_files")["status"]) == ["accepted", "accepted"]


@pytest.mark.parametrize("ahead", [0.2, -0.2])
def test_changing_file_is_waited_for_whatever_the_clock_of_the_disk(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    """The clock of a file server can be ahead of that of this machine, or behind."""
    waits: list[float] = []
    changed_at = deployment.deliver("changing", [{**LINE, "visitor_id": "bob"}], "web").stat().st_ctime
    monkeypatch.setattr(ingest_deliveries, "time", lambda: changed_at - ahead)
    monkeypatch.setattr(ingest_deliveries, "sleep", waits.append)
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        assert run.ingest(settle_seconds=1).read_count == 2
    assert waits == [pytest.approx(1 + ahead)]


def test_changing_file_is_waited_for_beside_one_of_the_future(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the clock was set back, files that were delivered before have a time in the future."""
    waits: list[float] = []
    [changing] = deployment.folder.raw.glob("web/*.jsonl")
    changed_at = changing.stat().st_ctime
    sleep(0.1)
    deployment.deliver("of the future", [{**LINE, "visitor_id": "bob"}], "web")
    monkeypatch.setattr(ingest_deliveries, "time", lambda: changed_at)
    monkeypatch.setattr(ingest_deliveries, "sleep", waits.append)
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        assert run.ingest(settle_seconds=0.05).read_count == 2
    assert waits == [pytest.approx(0.05)]


def test_hidden_files_and_markers_of_spark_are_skipped(deployment: Deployment) -> None:
    folder = deployment.folder.raw / "web" / "dt=2026-10-05"
    folder.mkdir()
    skipped = ("_SUCCESS", "_started_123", "_committed_123", "_metadata", "_common_metadata", ".part-0.parquet.crc")
    for name in skipped:
        (folder / name).write_bytes(b"")
    for name in ("_events.jsonl", "_SUCCESS.jsonl", "_started_"):
        (folder / name).write_text(json.dumps({**LINE, "visitor_id": name}) + "\n")
    deployment.run(UNTIL)
    found = deployment.table("source_files")
    names = [path.rpartition("/")[2] for path in found["path"]]
    assert dict(zip(names, found["status"], strict=True)) == {
        "good.jsonl": "accepted",
        "_events.jsonl": "accepted",
        "_SUCCESS.jsonl": "accepted",
        "_started_": "refused",
    }


@pytest.mark.parametrize("source", ["_SUCCESS", "_metadata", "_delta_log", "_web"])
def test_folders_are_read_whatever_follows_an_underscore(deployment: Deployment, source: str) -> None:
    deployment.deliver("a", [{**LINE, "visitor_id": "bob"}], source)
    if source != "_delta_log":
        deployment.deliver(f"{source}/b", [{**LINE, "visitor_id": "cleo"}], "web")
    deployment.run(UNTIL)
    assert list(deployment.table("source_files")["status"]) == ["accepted"] * (2 if source == "_delta_log" else 3)


def test_nested_folders_and_several_sources(deployment: Deployment) -> None:
    for name in ("a/b/c/deep", "a/other"):
        deployment.deliver(name, [{**LINE, "visitor_id": name}], "app")
    (deployment.folder.raw / "app" / "a" / ".hidden").mkdir()
    (deployment.folder.raw / "app" / "a" / ".hidden" / "x.jsonl").write_text(json.dumps(LINE))
    (deployment.folder.raw / "app" / "a" / ".x.jsonl").write_text(json.dumps(LINE))
    (deployment.folder.raw / "app" / "zipped.jsonl.gz").write_bytes(gzip.compress(json.dumps(LINE).encode()))
    deployment.run(UNTIL)
    paths = sorted(deployment.table("source_files")["path"])
    assert paths == ["app/a/b/c/deep.jsonl", "app/a/other.jsonl", "app/zipped.jsonl.gz", "web/good.jsonl"]


def test_plan_says_why_each_file_is_read_or_forgotten(deployment: Deployment) -> None:
    changed = deployment.deliver("changed", [{**LINE, "visitor_id": "bob"}], "web")
    removed = deployment.deliver("removed", [{**LINE, "visitor_id": "cleo"}], "web")
    refused = deployment.folder.raw / "web" / "refused.txt"
    refused.write_text("no events\n")
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        run.ingest()
        assert run.ingest().read_count == 0
    assert to_read(deployment) == {}
    changed.write_text(changed.read_text() * 2)
    removed.unlink()  # its rows stay, so nothing is to be done
    refused.unlink()
    deployment.deliver("new", [{**LINE, "visitor_id": "dan"}], "web")
    assert to_read(deployment) == {
        "web/changed.jsonl": "changed since it was read",
        "web/new.jsonl": "new file",
        "web/refused.txt": "is gone; it was not accepted",
    }
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        assert run.ingest().read_count == 2
    assert to_read(deployment) == {}

"""Tests files, folders and names of sources that the command try refuses, and files that would give no events."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from session_pipeline_tests.shop_commands import EVENTS, call

pytestmark = pytest.mark.usefixtures("no_data_folder")


def write(path: Path, *lines: dict[str, Any] | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("_SUCCESS", "is a marker that Spark writes next to its files and is not read; name one of them"),
        ("_committed_7", "is a marker that Spark writes next to its files and is not read; name one of them"),
        ("_delta_log/0.json", "is in the log of a Delta table, which has no events; name a file of events"),
    ],
)
def test_files_that_have_no_events_are_not_tried(tmp_path: Path, name: str, said: str) -> None:
    file = write(tmp_path / name, "{}")
    code, _, err = call("try", file)
    assert (code, said in " ".join(err.split())) == (2, True), err


def test_unacceptable_file_explains_why(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl.gz"
    file.write_bytes(gzip.compress(b"{}\n" * 1000)[:-9])
    code, _, err = call("try", file)
    assert code == 1
    assert "would not be accepted: gzip, cut short" in err.replace("the file cannot be read (", "")


@pytest.mark.parametrize(("name", "fix"), [("nothing.jsonl", "name a file of events"), (".", "name one of its files")])
def test_missing_file_or_folder_is_wrong_use(name: str, fix: str) -> None:
    code, _, err = call("try", name)
    assert code == 2
    assert fix in err


def test_folders_under_raw_are_wrong_use(tmp_path: Path) -> None:
    file = write(tmp_path / "data" / "raw" / "web" / "events.jsonl", *EVENTS)
    for path in (file.parent, file.parent.parent):
        code, _, err = call("try", path, "--data", tmp_path / "data")
        assert (code, f"{path} is a folder; name one of its files" in err) == (2, True), err


def test_file_without_a_readable_line_exits_with_1(tmp_path: Path) -> None:
    file = write(tmp_path / "events.jsonl", "{broken", {"a": 1})
    code, _, err = call("try", file)
    assert code == 1
    assert "would give no events: 2 lines would be quarantined" in err


@pytest.mark.parametrize(("name", "text"), [("empty.jsonl", ""), ("header.csv", "visitor_id,event_time,event_name\n")])
def test_file_without_a_line_exits_with_1(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    code, _, err = call("try", tmp_path / name)
    assert (code, "has no lines, so it would give no events" in err) == (1, True)


@pytest.mark.parametrize("source", ["a/b", "..", ".web", ""])
def test_impossible_name_of_a_source_is_wrong_use(tmp_path: Path, source: str) -> None:
    file = write(tmp_path / "events.jsonl", *EVENTS)
    for command in (("try", file), ("init", tmp_path / "new", "--from", file)):
        code, _, err = call(*command, "--source", source)
        assert (code, f"{source!r} is not the name of a source" in err) == (2, True)
    assert not (tmp_path / "new").exists()


def test_hidden_file_is_wrong_use(tmp_path: Path) -> None:
    code, _, err = call("try", write(tmp_path / ".events.jsonl", *EVENTS))
    assert code == 2
    assert "rename it" in err

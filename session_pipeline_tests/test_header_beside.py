"""Tests that the header of a table is found in a file beside it, as in a data feed of Adobe Analytics."""

import json
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.ingest.formats.content import LOOKED_AT_BYTES
from session_pipeline.trial.header_beside import keys_of_header_beside
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.presets.reading import EXAMPLES
from session_pipeline_tests.shop_commands import call

pytestmark = pytest.mark.usefixtures("no_data_folder")

NAMES = ["visitor", "when", "event", "note"]
ROWS = [f"v{number}\t2026-05-04T10:00:0{number}Z\tpage_view\tn" for number in range(3)]


def put(folder: Path, lines: list[str], header: str | None = "\t".join(NAMES), name: str = "headers.tsv") -> Path:
    """Write a table, and a file beside it; return the table."""
    if header is not None:
        (folder / name).write_text(f"{header}\n")
    (folder / "data.tsv").write_text("".join(f"{line}\n" for line in lines))
    return folder / "data.tsv"


@pytest.mark.parametrize("name", ["headers.tsv", "column_headers.tsv", "data_header.tsv"])
def test_names_are_those_of_the_file_beside_it(name: str, tmp_path: Path) -> None:
    assert keys_of_header_beside(put(tmp_path, ROWS, name=name)) == {"header": NAMES}


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (None, ""),
        ("visitor\twhen\tevent", "headers.tsv"),
        ("visitor\twhen\tevent\tevent", "headers.tsv"),
        ("visitor\twhen\t\tevent", "headers.tsv"),
        ("visitor\twhen\tevent\tnote\nv\tw\te\tn", "headers.tsv"),
        ("\t".join(NAMES), "names.tsv"),
        ("\t".join(NAMES), "headers.csv"),
        ("\t".join(NAMES), "headers.txt"),
    ],
)
def test_other_files_are_no_header(header: str | None, name: str, tmp_path: Path) -> None:
    assert keys_of_header_beside(put(tmp_path, ROWS, header, name)) == {}


def test_table_with_its_own_header_needs_no_other(tmp_path: Path) -> None:
    assert keys_of_header_beside(put(tmp_path, ["\t".join(NAMES), *ROWS])) == {}


def test_empty_fields_at_the_ends_of_a_line_are_fields(tmp_path: Path) -> None:
    assert keys_of_header_beside(put(tmp_path, ["\tb\tc\t", "a\t\t\t"])) == {"header": NAMES}


def test_file_whose_beginning_shows_one_line_is_no_header(tmp_path: Path) -> None:
    names = "\t".join(NAMES)
    assert keys_of_header_beside(put(tmp_path, ROWS, f"{names}\n{'x' * LOOKED_AT_BYTES}\n{names}")) == {}


@pytest.mark.parametrize("note", ["a\\\tb", "a\\\nb"])
def test_escape_is_found_if_a_line_fits_only_with_it(note: str, tmp_path: Path) -> None:
    line = ROWS[0].removesuffix("n") + note
    for lines in ([*ROWS, line], [line, *ROWS]):
        assert keys_of_header_beside(put(tmp_path, lines)) == {"header": NAMES, "escape": "\\"}


def test_csv_has_a_header_in_a_csv(tmp_path: Path) -> None:
    (tmp_path / "a_header.csv").write_text('"the visitor";when;event\n')
    (tmp_path / "a.csv").write_text('"v;1";2026-05-04;page_view\n')
    assert keys_of_header_beside(tmp_path / "a.csv") == {"header": ["the visitor", "when", "event"]}


@pytest.mark.long
def test_try_reads_a_table_with_the_header_beside_it(tmp_path: Path) -> None:
    code, out, _ = call("try", "--json", put(tmp_path, ROWS))
    found: dict[str, Any] = json.loads(out)
    columns = {"visitor_id": "visitor", "event_time": "when", "event_name": "event"}
    assert (code, found["suggested"]) == (1, {"header": NAMES, "columns": columns})
    assert found["accepted_with_suggested"] == found["lines_with_suggested"] == 3


def test_try_suggests_the_preset_if_the_settings_have_only_the_header(tmp_path: Path) -> None:
    [example] = (EXAMPLES / "adobe_analytics").iterdir()
    header, hits = example.read_text().split("\n", 1)
    (tmp_path / "hit_data.tsv").write_text(hits)
    sources = {"web": {"header": header.split("\t")}}
    made = Deployment(tmp_path / "data", {"start_date": date(2026, 5, 1), "sources": sources})
    _, out, _ = call("try", tmp_path / "hit_data.tsv", "--source", "web", "--data", made.folder.path, "--json")
    assert json.loads(out)["suggested"] == {"preset": "adobe_analytics"}


def test_init_writes_the_preset_and_the_header_of_a_data_feed(tmp_path: Path) -> None:
    [example] = (EXAMPLES / "adobe_analytics").iterdir()
    header, hits = example.read_text().split("\n", 1)
    (tmp_path / "column_headers.tsv").write_text(f"{header}\n")
    (tmp_path / "hit_data.tsv").write_text(hits)
    code, out, _ = call("init", tmp_path / "data", "--from", tmp_path / "hit_data.tsv")
    assert code == 0, out
    assert "20 of 20 lines are accepted" in out
    written = tomllib.loads((tmp_path / "data" / "settings.toml").read_text())["sources"]["web"]
    assert written == {"preset": "adobe_analytics", "header": header.split("\t")}

"""Tests logs that are tables with tabs and without a header: of Fluentd, and CloudFront's real-time logs."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.ingest.admission.tabbed_logs import is_of_cloudfront, is_of_fluentd
from session_pipeline_tests.documents import ROOT
from session_pipeline_tests.shop_commands import call

pytestmark = pytest.mark.long  # further cases of what the usual tests cover

FLUENTD = "".join(
    f"2026-11-04T10:0{number}:00+01:00\tshop.event\t"
    + json.dumps({"visitor": visitor, "event": event, "n.o": 1})
    + "\n"
    for number, (visitor, event) in enumerate([("a1", "page_view"), ("a1", "add_to_cart"), ("b2", "page_view")])
)
CLOUDFRONT = "".join(
    f"{1_793_786_400 + number}.123\t192.0.2.10\t200\tGET\thttps\twww.shop.example\t/p{number}?q=a\tid{number}==\t"
    "Mozilla/5.0%20(X11;%20Linux%20x86_64)\t-\n"
    for number in range(3)
)
NAMES = ["shop.20261104.log", "shop.tsv", "shop.log", "shop_0"]


def tried(file: Path, *options: object) -> dict[str, Any]:
    return dict(json.loads(call("try", file, *options, "--json")[1]))


@pytest.mark.parametrize("name", NAMES)
def test_fields_of_fluentds_records_are_suggested(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(FLUENTD)
    found = tried(tmp_path / name)
    columns = {"visitor_id": "record.visitor", "event_time": "time", "event_name": "record.event"}
    assert found["suggested"] == {
        "format": "tsv",
        "header": ["time", "tag", "record"],
        "json_fields": ["record"],
        "columns": columns,
    }
    assert (found["accepted_with_suggested"], found["lines_with_suggested"]) == (3, 3)


@pytest.mark.parametrize("name", NAMES)
def test_real_time_log_of_cloudfront_says_what_to_do(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(CLOUDFRONT)
    found = tried(tmp_path / name)
    assert found["suggested"] == {"format": "tsv"}
    [remark] = found["remarks"]
    assert "CloudFront's real-time logs" in remark
    assert "set header to these names" in remark


def test_documented_settings_read_a_real_time_log(tmp_path: Path) -> None:
    page = (ROOT / "docs/sources/README.md").read_text()
    [row] = [line for line in page.splitlines() if line.startswith("| CloudFront, real-time logs |")]
    keys = [part for part in row.split("`")[1::2] if " = " in part]
    [header] = [part for part in row.split("`")[1::2] if part.startswith("[")]
    section = "\n".join(["[sources.web]", f"header = {header}", *keys]) + "\n"
    assert tomllib.loads(section)
    data = tmp_path / "data"
    call("init", data)
    with (data / "settings.toml").open("a") as settings:
        settings.write(f"\n{section}")
    (tmp_path / "part-0").write_text(CLOUDFRONT)
    found = tried(tmp_path / "part-0", "--data", data, "--source", "web")
    examples = {field["column"]: field["example"] for field in found["fields"]}
    assert found["facts"]["accepted_count"] == 3
    assert examples["page_url"] == "https://www.shop.example/p0?q=a"
    assert examples["user_agent"] == "Mozilla/5.0 (X11; Linux x86_64)"
    assert (examples["event_name"], examples["status_code"], examples["referrer"]) == ("page_view", "200", None)


@pytest.mark.parametrize("text", ["", "a\tb\n", '2026-11-04\tweb\t{"a":1}\n', "1793786400.1\ta\tb\n"])
def test_other_tables_are_not_recognized(text: str) -> None:
    lines = text.encode().splitlines()
    assert not is_of_fluentd(lines)
    assert not is_of_cloudfront(lines)

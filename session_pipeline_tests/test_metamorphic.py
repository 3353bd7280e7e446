"""Tests that equivalent deliveries give the same rows: other files, formats, orders, settings and machines.

test_metamorphic_events.py has other dates, names, visitors and sites.

The cases are those at the edges of gaps, midnights and duplicates. A relation that allows a difference names it: the
place of a line (its file and number), or its exact text (the content hash, and whether a duplicate is identical). The
expected rows themselves are computed by the oracle.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta, tzinfo
from pathlib import Path
from random import Random
from typing import Any, Self

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from session_pipeline.build import logs
from session_pipeline.run import opened
from session_pipeline.settings import settings_template
from session_pipeline.store import records
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.metamorphic import (
    BuiltGroups,
    assert_equal_bytes,
    assert_same_rows,
    each_group,
    plain_files,
    reliability,
    run,
    settings_of,
)
from session_pipeline_tests.oracles.equivalent_deliveries import (
    COMPRESSIONS,
    PLACE,
    TEXT,
    WRITERS,
    File,
    deliver,
    files_of,
    mapped,
    rows_of,
    split_otherwise,
)
from session_pipeline_tests.oracles.generated_cases import group
from session_pipeline_tests.reliability.figures import effort, record

# With more effort all of them. test_formats.py has each format in the usual tests.
OTHER_WRITERS = sorted(WRITERS.keys() - {"as_json_lines"})[:: max(1, 2 // effort())]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuiltGroups:
    return BuiltGroups(tmp_path_factory.mktemp("built"))


# Lines and files


@reliability
@each_group
def test_lines_in_any_order_and_file_give_the_same_events(built: BuiltGroups, seed: int, tmp_path: Path) -> None:
    """Each event has an id, and a sequence number where it needs one. Only the places of lines differ."""
    shuffled = split_otherwise(files_of(group(seed)), Random(seed))
    other = run(tmp_path / "other", group(seed), shuffled)
    assert_same_rows(built.rows(built.delivered(seed)), rows_of(other), PLACE)


@reliability
@each_group
def test_file_names_compression_and_times_change_no_byte(built: BuiltGroups, seed: int, tmp_path: Path) -> None:
    """A file is identified by its source and content."""
    deployment = Deployment(tmp_path / "other", settings_of(group(seed)))
    for number, file in enumerate(reversed(files_of(group(seed)))):
        compression = list(COMPRESSIONS)[number % len(COMPRESSIONS)]
        deliver(deployment, replace(file, name=f"2020/{number}/ü {number} [1]*"), compression=compression)
    for path in deployment.folder.raw.rglob("*.jsonl*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    deployment.run(group(seed).until, publishes=False)
    assert_equal_bytes(deployment, built.delivered(seed))


@reliability
@each_group
@pytest.mark.parametrize("writer", OTHER_WRITERS)
def test_other_formats_and_encodings_give_the_same_rows(
    built: BuiltGroups, seed: int, writer: str, tmp_path: Path
) -> None:
    """Lines keep their numbers, except for the header of a CSV or TSV. An identical duplicate stays identical."""
    other = run(tmp_path / "other", group(seed), plain_files(seed), writer)
    has_header = writer in ("as_csv", "as_csv_with_semicolons", "as_tsv")

    def in_the_lines_before(name: str, value: Any) -> Any:
        return value - has_header if name in ("line_number", "kept_line_number") else value

    # DuckDB and Python agree on what a line is, so the text of a JSON line does not depend on the file's line ends.
    text = set() if writer == "with_marks_and_line_ends" else {"content_hash"}
    here, there = (
        mapped(rows_of(side), change)
        for side, change in (
            (built.plain(seed), lambda name, value: value),
            (other, in_the_lines_before),
        )
    )
    assert_same_rows(here, there, {"file_id", "kept_file_id", *text})


@reliability
def test_all_variations_combined_give_the_same_rows(
    built: BuiltGroups, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Hypothesis chooses lines, files, formats, compressions and runs; with fewer visitors."""
    cases = group(1)
    files = [
        replace(file, events=tuple(event for event in file.events if event["visitor_id"] < "0040"))
        for file in plain_files(1)
    ]
    rows = rows_of(run(tmp_path_factory.mktemp("few") / "few", cases, files))
    files_written = st.tuples(st.sampled_from(sorted(WRITERS)), st.sampled_from(sorted(COMPRESSIONS)), st.booleans())

    @hypothesis_settings(
        max_examples=3 if effort() == 1 else 4 * effort(),
        derandomize=effort() == 1,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 10**9), st.lists(files_written, min_size=6, max_size=6))
    def check(seed: int, ways: list[tuple[str, str, bool]]) -> None:
        deployment = Deployment(tmp_path_factory.mktemp("otherwise") / "data", settings_of(cases))
        for number, file in enumerate(split_otherwise(files, Random(seed), most_files=3)):
            writer, compression, is_run_at_once = ways[number % len(ways)]
            deliver(deployment, file, writer, compression)
            if is_run_at_once:
                deployment.run(cases.until)
        deployment.run(cases.until)
        assert_same_rows(rows, rows_of(deployment), PLACE | TEXT)
        shutil.rmtree(deployment.folder.path)

    check()


# Orders


@reliability
@each_group
def test_files_delivered_one_by_one_in_any_order_give_equal_bytes(
    built: BuiltGroups, seed: int, tmp_path: Path
) -> None:
    files = [file for file in files_of(group(seed)) if "again" not in file.name]
    files += [file for file in files_of(group(seed)) if "again" in file.name]
    Random(seed).shuffle(files)
    deployment = Deployment(tmp_path / "other", settings_of(group(seed)))
    for number, file in enumerate(files):
        deliver(deployment, file)
        if number % 4 == 3:
            deployment.run(group(seed).until)
    deployment.run(group(seed).until)
    assert_equal_bytes(deployment, built.delivered(seed))


@reliability
@each_group
def test_days_delivered_and_built_in_any_order_give_the_same_rows(
    built: BuiltGroups, seed: int, tmp_path: Path
) -> None:
    """One file for each source and UTC date, and a run after all files of a date."""
    by_date: dict[str, list[File]] = {}
    for file in split_otherwise(files_of(group(seed)), Random(seed), most_files=1):
        for day in sorted({event["event_time"][:10] for event in file.events}):
            events = tuple(event for event in file.events if event["event_time"].startswith(day))
            by_date.setdefault(day, []).append(File(day, file.source, events))
    deployment = Deployment(tmp_path / "other", settings_of(group(seed)))
    for day in Random(seed).sample(sorted(by_date), len(by_date)):
        for file in by_date[day]:
            deliver(deployment, file)
        deployment.run(group(seed).until)
    assert_same_rows(built.rows(built.delivered(seed)), rows_of(deployment), PLACE)


@reliability
@each_group
def test_horizon_moved_day_by_day_gives_equal_bytes(built: BuiltGroups, seed: int, tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "other", settings_of(group(seed)))
    for file in files_of(group(seed)):
        deliver(deployment, file)
    first = group(seed).first_day
    for offset in range(1, (group(seed).until - first).days + 1):
        deployment.run(first + timedelta(days=offset))
    assert_equal_bytes(deployment, built.delivered(seed))


# Settings and machines


@reliability
@each_group
def test_time_zone_changed_and_reverted_gives_equal_bytes(built: BuiltGroups, seed: int, tmp_path: Path) -> None:
    deployment = built.delivered(seed).copied_to(tmp_path / "other")
    deployment.set(settings_of(group(seed)) | {"timezone": "Asia/Kathmandu"})
    assert deployment.run(group(seed).until)
    deployment.set(settings_of(group(seed)))
    deployment.run(group(seed).until)
    assert_equal_bytes(deployment, built.delivered(seed))


@pytest.mark.long
def test_settings_with_equal_meaning_make_nothing_stale(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data")
    deployment.deliver("one", [{"visitor_id": "v", "event_time": "2024-01-01T10:00:00Z", "event_name": "page_view"}])
    until = date(2024, 1, 3)
    deployment.run(until)
    before = deployment.hashes()
    for text in (
        settings_template(),
        "# nothing but this\n",
        '  timezone = """UTC"""\n[sessions]\nmax_hours=0x18\n\n[publish]\n# a comment\n[resources]\nthreads = 0\n',
    ):
        deployment.folder.settings.write_text(text)
        assert deployment.plan(until).is_empty
        assert deployment.run(until) == []
        assert deployment.hashes() == before
        record(metamorphic_comparisons=1)


@reliability
@each_group
@pytest.mark.parametrize(
    "resources",
    [{"threads": 1}, {"threads": 8}, {"threads": 2, "memory_limit": "100MB"}],
    ids=str,
)
def test_threads_and_memory_change_no_byte(
    built: BuiltGroups, seed: int, resources: Mapping[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Deployment, "in_two_threads", True)
    other = run(tmp_path / "other", group(seed), files_of(group(seed)), more={"resources": resources})
    assert_equal_bytes(other, built.delivered(seed))


@reliability
@each_group
@pytest.mark.parametrize(
    "machine",
    [
        {"TZ": "America/St_Johns", "PYTHONHASHSEED": "1", "LC_ALL": "C", "PYTHONUTF8": "0"},
        {"TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "4242", "LC_ALL": "C.UTF-8", "LANG": "tr_TR.UTF-8"},
    ],
    ids=str,
)
def test_machine_zone_locale_and_hash_seed_change_no_byte(
    built: BuiltGroups, seed: int, machine: Mapping[str, str], tmp_path: Path
) -> None:
    deployment = Deployment(tmp_path / "other", settings_of(group(seed)))
    for file in files_of(group(seed)):
        deliver(deployment, file)
    program = (
        "import sys; from datetime import date; from pathlib import Path;"
        "from session_pipeline_tests.deployment import Deployment;"
        "Deployment.at(Path(sys.argv[1])).run(date.fromisoformat(sys.argv[2]))"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(deployment.folder.path), str(group(seed).until)],
        env={**os.environ, **machine},
        check=True,
    )
    assert_equal_bytes(deployment, built.delivered(seed))


@reliability
@each_group
def test_machine_clock_changes_no_byte(
    built: BuiltGroups, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock only limits the last day that can be requested, and sets times in the logs."""
    before = built.delivered(seed)

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(days=5000, hours=7)

    for module in (opened, logs, records):
        monkeypatch.setattr(module, "datetime", Later)
    other = run(tmp_path / "other", group(seed), files_of(group(seed)))
    assert other.table("_day_history")["changed_at"].min().year > 2030
    assert_equal_bytes(other, before)

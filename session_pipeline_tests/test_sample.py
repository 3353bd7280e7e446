"""Tests the synthetic sample without the pipeline: its files are as described, and its ground truth is consistent."""

import csv
import gzip
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import crawleruseragents
import pytest

from session_pipeline.errors import WrongUseError
from session_pipeline.sample import SMALL, SampleSummary, shop, write_sample
from session_pipeline.sample.faults import EXAMPLE, Fault, fault_of
from session_pipeline.sample.times import time_text
from session_pipeline.sample.truth import outcome_of
from session_pipeline.sample.walk import Event, Walk
from session_pipeline.sample.ways import DETOURS, LANDINGS, LEAVE, WAYS

INACTIVITY = timedelta(minutes=30)
Row = dict[str, Any]


@dataclass(frozen=True)
class Written:
    """A sample on disk, read back."""

    folder: Path
    truth_folder: Path
    summary: SampleSummary

    @cached_property
    def lines(self) -> dict[str, list[str]]:
        """The lines of each delivered file, without the header of a CSV."""
        return {path.name: _text(path).splitlines()[path.suffix == ".csv" :] for path in sorted(self.folder.iterdir())}

    @cached_property
    def events(self) -> dict[str, Row]:
        """The valid events by id; one of each set of duplicates."""
        rows = [row for path in self.folder.glob("*.csv") for row in _rows(path)]
        for name, lines in self.lines.items():
            if name.endswith(".jsonl.gz"):
                rows += [row for line in lines if (row := _good_event(line))]
        return {row["event_id"]: row for row in rows}

    @cached_property
    def sessions(self) -> list[Row]:
        return _rows(self.truth_folder / "sessions.csv.gz")

    @cached_property
    def sessions_of_events(self) -> list[Row]:
        return _rows(self.truth_folder / "events.csv.gz")

    @cached_property
    def times(self) -> dict[str, list[datetime]]:
        """The times of each session's events, in the order of the truth."""
        times: dict[str, list[datetime]] = defaultdict(list)
        for row in self.sessions_of_events:
            event = self.events[row["event_id"]]
            times[row["session_number"]].append(datetime.fromisoformat(event["event_time"]))
        return times


def _text(path: Path) -> str:
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode()


def _rows(path: Path) -> list[Row]:
    return list(csv.DictReader(_text(path).splitlines()))


def _good_event(line: str) -> Row | None:
    return json.loads(line) if _trouble(line) is None else None


def _trouble(line: str) -> str | None:
    """Return why the line is not an event; None if it is one."""
    try:
        row = json.loads(line)
    except ValueError:
        return "not JSON"
    if "visitor_id" not in row:
        return "no visitor"
    if row["event_time"] == "yesterday":
        return "no time"
    if datetime.fromisoformat(row["event_time"]) > datetime.fromisoformat(row["received_at"]):
        return "from the future"
    return None


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Written:
    data = tmp_path_factory.mktemp("data")
    folder = data / "raw" / "sample"
    return Written(folder, data / "truth", write_sample(folder, **SMALL))


def _bytes_of_sample(data: Path, seed: int) -> dict[str, bytes]:
    write_sample(data / "raw" / "sample", visitors=200, days=2, seed=seed)
    files = [path for path in data.rglob("*") if path.is_file()]
    return {str(path.relative_to(data)): path.read_bytes() for path in files}


def test_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    first = _bytes_of_sample(tmp_path / "first", seed=1)
    assert _bytes_of_sample(tmp_path / "second", seed=1) == first
    assert _bytes_of_sample(tmp_path / "third", seed=2) != first


def test_sample_folder_contains_only_delivered_files(small: Written) -> None:
    for path in small.folder.iterdir():
        assert path.name.startswith(("events-2026-10-", "contact-forms-2026-10-"))
    assert len(list(small.folder.glob("events-*.jsonl.gz"))) == SMALL["days"]
    assert sorted(path.name for path in small.truth_folder.iterdir()) == [
        "events.csv.gz",
        "files.csv",
        "sessions.csv.gz",
    ]


def test_small_sample_is_small_and_varied(small: Written) -> None:
    assert sum(path.stat().st_size for path in small.folder.iterdir()) < 900_000
    assert sum(path.stat().st_size for path in small.truth_folder.iterdir()) < 400_000
    people = [row for row in small.sessions if row["is_bot"] == "false"]
    shares = Counter(row["outcome"] for row in people)
    assert len(people) > 4_000
    assert 0.02 < shares["purchase"] / len(people) < 0.04
    assert 0.01 < shares["contact"] / len(people) < 0.03
    assert 0.40 < shares["bounce"] / len(people) < 0.50
    assert shares.keys() == {"purchase", "contact", "lead", "abandoned_cart", "engaged", "bounce"}


def test_summary_truth_and_files_agree(small: Written) -> None:
    summary = small.summary
    troubles = Counter(
        _trouble(line) for name, lines in small.lines.items() for line in lines if name.endswith(".jsonl.gz")
    )
    del troubles[None]
    assert troubles.keys() == {"not JSON", "no visitor", "no time", "from the future"}
    assert summary.bad_lines == troubles.total()
    assert summary.files == len(small.lines)
    assert summary.lines == sum(len(lines) for lines in small.lines.values())
    assert summary.events == len(small.events) == len(small.sessions_of_events)
    assert summary.lines == summary.events + summary.duplicates + summary.bad_lines
    assert summary.sessions == len(small.sessions)
    assert summary.outcomes == Counter(row["outcome"] for row in small.sessions)


def test_truth_counts_the_lines_of_each_file(small: Written) -> None:
    rows = _rows(small.truth_folder / "files.csv")
    assert {row["name"]: int(row["lines"]) for row in rows} == {name: len(lines) for name, lines in small.lines.items()}
    for row in rows:
        assert int(row["lines"]) == int(row["accepted"]) + int(row["set_aside"])


def test_each_event_is_in_one_session_of_its_visitor(small: Written) -> None:
    visitors = {row["session_number"]: row["visitor_id"] for row in small.sessions}
    for row in small.sessions_of_events:
        assert small.events[row["event_id"]]["visitor_id"] == visitors[row["session_number"]]
    for session in small.sessions:
        times = small.times[session["session_number"]]
        assert len(times) == int(session["event_count"])
        assert datetime.fromisoformat(session["started_at"]) == times[0] == min(times)
        assert datetime.fromisoformat(session["ended_at"]) == times[-1] == max(times)


def test_only_gaps_over_thirty_minutes_end_sessions(small: Written) -> None:
    within = [b - a for times in small.times.values() for a, b in pairwise(times)]
    assert max(within) == INACTIVITY
    assert timedelta(minutes=25) < sorted(within)[-within.count(INACTIVITY) - 1]

    between = []
    visits: dict[str, list[list[datetime]]] = defaultdict(list)
    for session in small.sessions:
        visits[session["visitor_id"]].append(small.times[session["session_number"]])
    for sessions in visits.values():
        for earlier, later in pairwise(sorted(sessions)):
            if later[0] - earlier[0] == timedelta(days=1):
                assert later[0] - earlier[-1] == timedelta(minutes=20)  # the monitor: max_hours
            else:
                between.append(later[0] - earlier[-1])
    assert min(between) == INACTIVITY + timedelta(milliseconds=1)


def test_some_human_sessions_cross_midnight(small: Written) -> None:
    over_midnight = [
        row for row in small.sessions if row["is_bot"] == "false" and row["started_at"][:10] < row["ended_at"][:10]
    ]
    assert len(over_midnight) >= 3


def test_some_lines_are_late_and_some_are_duplicates(small: Written) -> None:
    late_count = 0
    files_of_line: dict[str, list[str]] = defaultdict(list)
    for name, lines in small.lines.items():
        for line in lines:
            files_of_line[line].append(name)
            event = _good_event(line) if name.endswith(".jsonl.gz") else None
            if event is not None:
                happened_at = datetime.fromisoformat(event["event_time"]).astimezone(UTC)
                received_at = datetime.fromisoformat(event["received_at"])
                if received_at - happened_at > timedelta(days=1):
                    late_count += 1
                    assert f"events-{happened_at.date()}" < name[: len("events-2026-10-05")]
    copies = [names for names in files_of_line.values() if len(names) > 1]
    assert late_count > 20
    assert sum(len(names) - 1 for names in copies) == small.summary.duplicates
    assert {len(set(names)) for names in copies} == {1, 2}


def test_events_at_one_time_are_ordered_by_sequence_or_line(small: Written) -> None:
    places: dict[str, tuple[str, int]] = {}
    for name, lines in small.lines.items():
        for number, line in enumerate(lines, start=1):
            if name.endswith(".jsonl.gz") and (event := _good_event(line)):
                places.setdefault(event["event_id"], (name, number))
    tie_count = 0
    for before, after in pairwise(row["event_id"] for row in small.sessions_of_events):
        first, second = small.events[before], small.events[after]
        if (first["visitor_id"], first["event_time"]) == (
            second["visitor_id"],
            second["event_time"],
        ):
            tie_count += 1
            if "sequence" in first:
                assert first["sequence"] < second["sequence"]
            else:
                assert places[before][0] == places[after][0]
                assert places[before][1] < places[after][1]
    assert tie_count > 100


def test_value_is_the_sum_of_the_purchases(small: Written) -> None:
    cents: Counter[str] = Counter()
    for row in small.sessions_of_events:
        event = small.events[row["event_id"]]
        if event["event_name"] == "purchase":
            assert event["currency"] == "EUR"
            cents[row["session_number"]] += round(event["value"] * 100)
    for session in small.sessions:
        assert round(float(session["value"] or 0) * 100) == cents[session["session_number"]]
        assert (session["outcome"] == "purchase") == bool(session["value"])


def _event(name: str, second: float = 0, page: shop.Page = shop.HOME) -> Event:
    return Event(number=1, time=int(second * 1_000), name=name, page=page)


@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        ([_event("page_view")], "bounce"),
        ([_event("page_view"), _event("page_ping", 9.999)], "bounce"),
        ([_event("page_view"), _event("page_ping", 10)], "engaged"),
        ([_event("page_view"), _event("page_view", 1)], "engaged"),
        ([_event("page_view"), _event("click", 1)], "engaged"),
        ([_event("page_view"), _event("begin_checkout")], "abandoned_cart"),
        ([_event("sign_up"), _event("add_to_cart")], "lead"),
        ([_event("sign_up"), _event("page_view", page=shop.CONTACT_THANKS)], "contact"),
        ([_event("sign_up"), _event("contact")], "contact"),
        ([_event("contact"), _event("purchase")], "purchase"),
    ],
)
def test_outcome_is_the_first_rule_that_holds(events: list[Event], outcome: str) -> None:
    assert outcome_of(events) == outcome


def test_times_are_written_in_utc_or_local_time() -> None:
    time = 1_791_158_400_007  # 2026-10-05 00:00:00.007
    assert time_text(time) == "2026-10-05T00:00:00.007Z"
    assert time_text(time, 330) == "2026-10-05T05:30:00.007+05:30"
    assert time_text(time, -240) == "2026-10-04T20:00:00.007-04:00"


def test_every_way_leads_to_an_existing_step() -> None:
    for intent, way in WAYS.items():
        reachable = {*LANDINGS[intent].things}.union(*(odds.things for odds in way.values()))
        assert reachable - {LEAVE} <= way.keys(), intent
        assert all(hasattr(Walk, f"_{step}") for step in way)
    for (_, step), odds in DETOURS.items():
        for way in WAYS.values():
            assert step not in way or {*odds.things} - {LEAVE} <= way.keys()


def test_bots_are_detected_as_bots_and_browsers_are_not() -> None:
    assert all(crawleruseragents.is_crawler(agent) for agent in (*shop.CRAWLERS, shop.MONITOR))
    browsers = [agent for odds in shop.USER_AGENTS.values() for agent in odds.things]
    assert not any(crawleruseragents.is_crawler(agent) for agent in browsers)


def test_single_day_of_another_date_can_be_written(tmp_path: Path) -> None:
    summary = write_sample(
        tmp_path / "raw",
        visitors=1,
        days=1,
        seed=0,
        start=date(2024, 2, 29),
        truth_folder=tmp_path / "truth",
    )
    assert summary.events > 0
    assert (tmp_path / "raw" / "events-2024-02-29.jsonl.gz").exists()


@pytest.mark.parametrize("size", [{"visitors": 0, "days": 1}, {"visitors": 1, "days": 0}])
def test_sizes_below_one_are_refused(tmp_path: Path, size: dict[str, int]) -> None:
    with pytest.raises(WrongUseError, match="at least 1"):
        write_sample(tmp_path / "raw", visitors=size["visitors"], days=size["days"], seed=0)


def test_days_after_the_last_date_are_refused(tmp_path: Path) -> None:
    for days, start in ((3, date(9999, 12, 29)), (4_000_000, date(2026, 1, 1))):
        with pytest.raises(WrongUseError, match="the last possible day is 9999-12-30"):
            write_sample(tmp_path / "raw", visitors=1, days=days, seed=0, start=start)
    assert not (tmp_path / "raw").exists()


def test_non_empty_folder_is_refused_and_unchanged(tmp_path: Path) -> None:
    folder = tmp_path / "raw" / "sample"
    folder.mkdir(parents=True)
    (folder / "mine.csv").write_text("mine")
    with pytest.raises(WrongUseError, match="not empty"):
        write_sample(folder, visitors=1, days=1, seed=0)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["mine.csv"]


# Planted faults


def test_a_fault_stops_visitors_of_its_segment_from_its_first_day_on(tmp_path: Path) -> None:
    start, first_day = date(2026, 10, 5), date(2026, 10, 8)
    faults = [Fault("phone", "look", "add", 1.0, first_day)]
    files = {}
    for name, planted in (("with", faults), ("without", [])):
        folder = tmp_path / name / "raw" / "sample"
        write_sample(folder, visitors=400, days=6, seed=2, start=start, faults=planted)
        files[name] = {path.name: gzip.decompress(path.read_bytes()) for path in folder.glob("*.jsonl.gz")}
    first = "events-2026-10-05.jsonl.gz"
    assert files["with"][first] == files["without"][first]
    added = [
        json.loads(line)
        for content in files["with"].values()
        for line in content.splitlines()
        if b'"add_to_cart"' in line
    ]
    phones = set(shop.USER_AGENTS["phone"].things)
    days = {line["event_time"][:10] for line in added if line["user_agent"] in phones}
    others = {line["event_time"][:10] for line in added if line["user_agent"] not in phones}
    assert max(days) <= "2026-10-08"  # walks that began on the day before go on after midnight
    assert max(others) >= "2026-10-09"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("mobile:checkout", "write SEGMENT:STEP>STEP:PERCENT%:DATE"),
        ("fridge:checkout>payment:50%:2026-10-08", "has the segment fridge; write one of all, desktop, mobile"),
        ("all:checkout>paiment:50%:2026-10-08", "has the step paiment; write one of account, add"),
        ("all:payment>checkout:50%:2026-10-08", "after payment, write one of cart, payment_error, purchase"),
        ("mobile:checkout>help:50%:2026-10-08", "after checkout, write one of cart, payment, shipping_error"),
        ("all:checkout>payment:150%:2026-10-08", "has 150%; write more than 0% and at most 100%"),
        ("all:checkout>payment:0%:2026-10-08", "has 0%; write more than 0%"),
        ("all:checkout>payment:50%:2026-10-32", "has no valid date; write a day as YYYY-MM-DD"),
    ],
)
def test_invalid_fault_is_refused_with_its_problem(text: str, problem: str) -> None:
    with pytest.raises(WrongUseError, match=problem):
        fault_of(text)


@pytest.mark.parametrize("first_day", [date(2026, 10, 4), date(2026, 10, 12)])
def test_fault_outside_the_days_of_the_sample_is_refused(tmp_path: Path, first_day: date) -> None:
    fault = Fault("all", "checkout", "payment", 0.5, first_day)
    with pytest.raises(WrongUseError, match="the days of the sample are 2026-10-05 to 2026-10-11"):
        write_sample(tmp_path / "raw" / "sample", **SMALL, faults=[fault])
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_fault_in_the_help_changes_the_default_sample(small: Written, tmp_path: Path) -> None:
    write_sample(tmp_path / "raw" / "sample", **SMALL, faults=[fault_of(EXAMPLE)])
    assert _rows(tmp_path / "truth" / "sessions.csv.gz") != small.sessions


def test_fault_is_parsed_from_its_text() -> None:
    expected = Fault("phone", "checkout", "payment", 0.5, date(2026, 10, 8))
    for name in ("mobile", "phone"):
        assert fault_of(f"{name}:checkout>payment:50%:2026-10-08") == expected

"""Checks deliveries: no line is lost, files can be read, and expected files arrive."""

from collections.abc import Callable, Sequence, Set
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import TYPE_CHECKING

from session_pipeline.checks.quarantine import SEPARATED, has_too_many_quarantined, too_many_quarantined
from session_pipeline.checks.verdict import Verdict, rows_of, verdict
from session_pipeline.data_folder import DataFolder
from session_pipeline.engines.sql import literal, query_text
from session_pipeline.errors import UnreadableFileError
from session_pipeline.ingest.admission.admit import beginning_of
from session_pipeline.ingest.admission.recognition import MOST_LINES
from session_pipeline.ingest.admission.unknown_names import table_format
from session_pipeline.ingest.formats import AccessLog, JsonLines
from session_pipeline.reference.days import ONE_DAY, Calendar, dates, zone
from session_pipeline.run.delivered_files import (
    files_there,
    lines_before_start,
    lost_visitor_key,
    other_key_count,
    recognized_presets,
    replaced_visitor_key,
)
from session_pipeline.settings import Settings
from session_pipeline.settings.sources import KEYS_OF_ANY_FORMAT
from session_pipeline.store.file_facts import FileFacts
from session_pipeline.store.records import Partition
from session_pipeline.store.store import Store
from session_pipeline.tables import table
from session_pipeline.tables.steps import STEP_OF_TABLE

if TYPE_CHECKING:  # slow to load; commands that only look need no run
    from session_pipeline.run.run import Run

WATCHED = timedelta(days=7)
OF_GONE_FILE = "; the file is gone, so its own rows stay as they were read"


def ledger_closes(run: "Run", days: Sequence[date]) -> Verdict:
    """Per file, lines = accepted + set_aside + erased.

    Over all days, accepted = events + duplicates + waiting + before_start + expired.

    waiting counts the lines of days that are not built yet or are stale. before_start counts lines before start_date
    of files that are gone and cannot be read again; they belong to no day. expired counts lines of frozen days that are
    not stored any more; other lines of frozen days count as waiting. The check covers all days, not only those
    of the run. Most counts come from the catalog. Files are read only for UTC dates of which just a part is waiting.
    """
    problems = []
    rows = _rows_by_file(run)
    ledger = [item.facts for item in run.store.catalog.source_files().values() if item.facts["status"] == "accepted"]
    for facts in ledger:
        accepted, quarantined = rows.get(facts["file_id"], (0, 0))
        erased = facts.get("erased_count", 0)
        if facts["line_count"] != facts["accepted_count"] + facts["set_aside_count"] + erased:
            problems.append(f"raw/{facts['path']}: {facts['line_count']} lines were counted when it was admitted")
        accepted += facts.get("expired_count", 0)
        if (accepted, quarantined) != (facts["accepted_count"], facts["set_aside_count"]):
            problems.append(f"raw/{facts['path']}: the store has {accepted} accepted and {quarantined} quarantined")
    settled = run.planner.fresh_days(STEP_OF_TABLE["events"])
    figures = {
        "lines": sum(facts["line_count"] for facts in ledger),
        "accepted": sum(facts["accepted_count"] for facts in ledger),
        "set_aside": sum(facts["set_aside_count"] for facts in ledger),
        "events": _row_count(run, "events", settled),
        "duplicates": _row_count(run, "duplicate_events", settled),
        "waiting": _waiting_count(run, settled),
    }
    if before_start := lines_before_start(run.settings, run.store):
        figures["waiting"] -= before_start
        figures["before_start"] = before_start
    if expired := sum(facts.get("expired_count", 0) for facts in ledger):
        figures["expired"] = expired
    known = figures["events"] + figures["duplicates"] + figures["waiting"] + before_start + expired
    if figures["accepted"] != known:
        before = f", {before_start} before start_date" if before_start else ""
        problems.append(
            f"{figures['accepted']} accepted lines are not {figures['events']} events, {figures['duplicates']}"
            f" duplicates{f', {expired} expired' if expired else ''} and {figures['waiting']} waiting{before}"
        )
    return verdict(problems, "every line is accounted for", figures)


def conflicting_event_ids(run: "Run", days: Sequence[date]) -> Verdict:
    """Lines that repeat an event id have the same content. If not, ids are not unique at the source."""
    counts = rows_of(run, query_text(__package__, "conflicting_lines"), ["duplicate_events"], days)
    if not counts:
        return Verdict(True, "all duplicates are copies", {"conflicting": 0})
    total = sum(row["line_count"] for row in counts)
    problems = tuple(f"{row['event_date']}: {_differing(row['line_count'])}" for row in counts)
    return Verdict(False, _differing(total), {"conflicting": total}, problems)


def _differing(line_count: int) -> str:
    if line_count == 1:
        return "1 line differs from the event that it repeats; see duplicate_events"
    return f"{line_count} lines differ from the event that they repeat; see duplicate_events"


def set_aside_rate(run: "Run", days: Sequence[date]) -> Verdict:
    """No file that was read in the last week has more than 20 % of its lines quarantined, and all files can be read."""
    problems = rejected_files(run.folder, run.settings, run.store, run.until)
    found = verdict(problems, "all files were read, and few lines were quarantined")
    # An alert is sent once as long as the problem is the same, also if the file is removed.
    return replace(found, problems=tuple(problem.removesuffix(OF_GONE_FILE) for problem in problems))


def rejected_files(folder: DataFolder, settings: Settings, store: Store, until: date) -> list[str]:
    """Return a sentence about each file that was not read, or of which too many lines were quarantined.

    Files without an accepted line are reported as long as they are under raw/. All others are reported for a week, also
    if they are gone, because their rows stay.
    """
    since = (until - WATCHED).isoformat()
    quarantined = {partition.key.file_id: partition for partition in store.of_table("quarantined_lines")}
    present = cache(lambda: files_there(folder, store))  # lists raw/, which can have very many files
    recognized = recognized_presets(settings, store)
    problems = []
    for file_id, item in store.catalog.source_files().items():
        facts = item.facts
        if facts["status"] != "accepted":
            if file_id in present():
                problems.append(f"raw/{facts['path']}: {facts['reason']}{_how_to_fix(facts)}")
            continue
        lines = quarantined.get(file_id)
        if lines is None:
            continue
        if lines.built_at < since if facts["accepted_count"] else file_id not in present():
            continue
        source = facts["source"]
        # The key format alone does not say where the fields are, so a preset can be missing.
        keys = settings.sources[source].model_fields_set if source in settings.sources else set()
        presets = recognized.get(source, []) if keys <= KEYS_OF_ANY_FORMAT | {"format"} else None
        table = _table_read_as_log(folder, facts, present)
        first = _first_lines(store, lines, facts)
        sets_delimiter = "delimiter" in keys
        if sentence := too_many_quarantined(facts, lines.counts, first, presets, table, sets_delimiter=sets_delimiter):
            problems.append(sentence if file_id in present() else sentence + OF_GONE_FILE)
    return problems


def _table_read_as_log(folder: DataFolder, facts: FileFacts, present: Callable[[], Set[str]]) -> str | None:
    """Return csv or tsv for a table that was read as an access log because of its name, without an accepted line."""
    if facts["format"] != AccessLog.name or facts["accepted_count"] or not has_too_many_quarantined(facts):
        return None
    return table_format(beginning_of(folder.raw / facts["path"])) if facts["file_id"] in present() else None


def _how_to_fix(facts: FileFacts) -> str:
    """Return what to do about a file that was not read. The reason of a refused file says it, and some others do."""
    reason = str(facts["reason"])
    if facts["status"] == "refused" or "; deliver it" in reason:
        return ""
    is_unreadable = UnreadableFileError.REASON in reason
    return "; check the disk, or deliver it again" if is_unreadable else "; fix that and deliver it again"


def _first_lines(store: Store, lines: Partition, facts: FileFacts) -> list[tuple[str, str]]:
    """Return the reasons and texts of the first quarantined lines of JSON and of tables; empty for other files."""
    if facts["format"] not in (JsonLines.name, *SEPARATED) or not has_too_many_quarantined(facts):
        return []
    import pyarrow.parquet as pq  # slow to load, and seldom needed

    for path in store.paths_of(lines):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(MOST_LINES, columns=["reason", "line"]):
                return [(row["reason"], row["line"] or "") for row in batch.to_pylist()]
    return []


def source_arrived(run: "Run", days: Sequence[date]) -> Verdict:
    """Every source with expected_by has delivered events of the last full day by that time on the following day.

    Before that time, the day before it counts: a run at 03:00 finds out that events expected by 06:00 did not arrive
    on the day before.
    """
    problems = missing_sources(run.settings, run.store, run.until)
    return verdict(problems, "all sources that are due have delivered")


def visitor_key_kept(run: "Run", days: Sequence[date]) -> Verdict:
    """All visitor ids were made with the current visitor_key, also before this run, so people keep their ids."""
    reread_count = run.outcome.other_key_count - other_key_count(run.folder, run.store)
    if reread_count > 0:  # afterwards, only the outcome shows that ids have changed
        problem: str | None = replaced_visitor_key(run.folder, reread_count)
    else:
        problem = lost_visitor_key(run.folder, run.store)
    return verdict([problem] if problem else [], "all visitor ids were made with the current visitor_key")


def missing_sources(settings: Settings, store: Store, until: date) -> list[str]:
    """Return a sentence about each source that has not delivered events of the last day that is due by now."""
    now = datetime.now(zone(settings.timezone)).replace(tzinfo=None)
    calendar = Calendar(settings.timezone)
    latest: dict[str, str] = {}
    for item in store.catalog.source_files().values():
        name, last = item.facts["source"], item.facts["last_event_time"] or ""
        latest[name] = max(last, latest.get(name, ""))
    sentences = []
    for name, source in settings.sources.items():
        if source.expected_by is None:
            continue
        is_due = now.time() >= time.fromisoformat(source.expected_by)
        day = min(until, now.date() - ONE_DAY * (1 if is_due else 2))
        if day >= settings.start_date and latest.get(name, "") < calendar.start(day).isoformat(sep=" "):
            sentences.append(f"{name}: no events of {day} yet, expected by {source.expected_by}")
    return sentences


def _rows_by_file(run: "Run") -> dict[str, tuple[int, int]]:
    """Return the numbers of accepted and quarantined lines in the store, by file id."""
    rows: dict[str, tuple[int, int]] = {}
    for key, partition in run.store.partitions.items():
        accepted, quarantined = rows.get(key.file_id, (0, 0))
        if key.table == "raw_events":
            rows[key.file_id] = accepted + partition.row_count, quarantined
        elif key.table == "quarantined_lines":
            rows[key.file_id] = accepted, quarantined + partition.row_count
    return rows


def _row_count(run: "Run", name: str, days: Set[date]) -> int:
    return sum(item.row_count for key, item in run.store.partitions.items() if key.table == name and key.date in days)


def _waiting_count(run: "Run", settled: Set[date]) -> int:
    """Return the number of raw events that are not in settled days."""
    by_date: dict[date, list[Partition]] = {}
    for key, partition in run.store.partitions.items():
        if key.table == "raw_events" and key.date is not None:
            by_date.setdefault(key.date, []).append(partition)
    return sum(_waiting_of_date(run, utc_date, found, settled) for utc_date, found in by_date.items())


def _waiting_of_date(run: "Run", utc_date: date, partitions: Sequence[Partition], settled: Set[date]) -> int:
    near = set(dates(utc_date - ONE_DAY, utc_date + ONE_DAY))  # no local day further away overlaps the UTC date
    if near <= settled:
        return 0
    calendar = run.planner.frame.calendar
    overlapping = {day for day in near if utc_date in calendar.utc_dates(day)}
    outside = sorted(overlapping - settled)
    if not outside:
        return 0
    if len(outside) == len(overlapping):
        return sum(partition.row_count for partition in partitions)
    condition = " or ".join(
        f"event_time >= {literal(calendar.start(day))} and event_time < {literal(calendar.end(day))}" for day in outside
    )
    with run.engine.job() as job:
        job.add_input(table("raw_events"), [path for partition in partitions for path in run.store.paths_of(partition)])
        return int(job.rows(f"select count(*) as waiting from raw_events where {condition}").column(0)[0].as_py())

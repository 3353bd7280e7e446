"""Prints the summary at the end of `run`: files, lines, built days, outcomes, funnels, and where the results are.

Reads the catalog and the warehouse, and changes nothing. `cli.results` has the sessions, outcomes and funnels, and
`cli.runs` the run itself.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from time import process_time
from typing import Any

from rich.text import Text

from session_pipeline import report
from session_pipeline.cli.problems import SHOWN
from session_pipeline.cli.results import Results, read_results, show_results
from session_pipeline.cli.screen import Right, counted, echo, grid, plain, stdout
from session_pipeline.ingest.summary import IngestSummary
from session_pipeline.reference.days import day_ranges
from session_pipeline.run import delivered_files
from session_pipeline.run.opened import OpenFolder
from session_pipeline.run.outcome import Outcome
from session_pipeline.run.profile import Profile, Spent
from session_pipeline.settings import Settings
from session_pipeline.store.store import Store
from session_pipeline.tables.steps import STEP_OF_TABLE

SHOWN_REASONS = 3
REST = "start, catalog, summary"


@dataclass(frozen=True)
class Summary:
    """The state after a run, and what the run did to it.

    Attributes:
        files: Counts of the files that the run found under raw/, also of those that an earlier run did not accept.
        ledger: Line counts over all files ever accepted: lines, accepted, set_aside (quarantined), erased, events,
            duplicates, expired, before_start (only of files that are gone), and waiting (their day is not built yet),
            which is not counted but what is left of the accepted lines.
        recognized: The presets that files were recognized as, by source, for sources without own settings.
        set_aside_reasons: Number of quarantined lines by reason, largest first.
        built_days: Days for which the run built at least one partition.
        built_tables: Tables without days that the run built, such as retention.
        outdated_days: Days of older settings or models that wait for `run --upgrade`.
        days: Days over which outcomes and funnels are counted: the built days, or all days if none was built.
        is_all_days: Whether `days` are all days that have sessions.
        results: The sessions, outcomes and funnels of these days.
        expired_count: Number of partitions that expired.
        warnings: Sentences about what a person should look at.
        seconds: Duration of the run.
    """

    files: dict[str, int]
    ledger: dict[str, int]
    recognized: dict[str, list[str]]
    set_aside_reasons: dict[str, int]
    built_days: list[date]
    built_tables: list[str]
    outdated_days: list[date]
    days: list[date]
    is_all_days: bool
    results: Results
    expired_count: int
    warnings: list[str]
    seconds: float
    warehouse: str
    report: str

    def as_json(self) -> dict[str, Any]:
        """Return the values by name, with those of the results among them."""
        found: dict[str, Any] = {}
        for name, value in asdict(self).items():
            found |= value if name == "results" else {name: value}
        return found


def gather(opened: OpenFolder, outcome: Outcome, *, warnings: Sequence[str], seconds: float) -> Summary:
    """Count the figures of the summary after everything is published."""
    folder, settings, store, files = opened.folder, opened.settings, opened.store, outcome.files
    ledger, reasons = _ledger(store, settings)
    built = {
        partition.key
        for partition in store.partitions.values()
        if partition.run_id in outcome.run_ids and partition.key.table in STEP_OF_TABLE
    }
    built_days = sorted({key.date for key in built if key.date})
    all_days = sorted(partition.key.date for partition in store.of_table("sessions") if partition.key.date)
    days = built_days or all_days
    outdated_days = sorted(opened.plan(upgrade=opened.upgrade).outdated_days)
    return Summary(
        files={**vars(files), "not_accepted_before_count": _not_accepted_before(files, store)},
        ledger=ledger,
        recognized=delivered_files.recognized_presets(settings, store),
        set_aside_reasons=reasons,
        built_days=built_days,
        built_tables=sorted(key.table for key in built if not key.date),
        outdated_days=outdated_days,
        days=days,
        is_all_days=days == all_days,
        results=read_results(folder, settings, days, outdated_days, is_all_days=days == all_days),
        expired_count=outcome.expired_count,
        warnings=[*_withdrawn(files), *_frozen(files), *warnings],
        seconds=round(seconds, 1),
        warehouse=str(folder.warehouse),
        report=str(folder.reports / report.FILE_NAME),
    )


def show(summary: Summary) -> None:
    """Print a summary for a person."""
    stdout.print(grid("", "", rows=[(Text(label, "bold"), text) for label, text in _rows(summary)]))
    if summary.days:
        show_results(summary.results, summary.days, summary.outdated_days, is_all_days=summary.is_all_days)
    echo()
    for label, place in (("Warehouse", summary.warehouse), ("Report", summary.report)):
        echo(Text.assemble((f"{label:<9}", "bold"), "  ", place))
    for warning in summary.warnings[:SHOWN]:
        echo(f"WARNING: {plain(warning)}", style="bold yellow")
    if len(summary.warnings) > SHOWN:
        echo(f"and {len(summary.warnings) - SHOWN} more: run `session-pipeline status --json`", style="bold yellow")


def _rows(summary: Summary) -> list[tuple[str, str]]:
    """Return the files, lines and days of a summary, each with its label; a row without a label goes on."""
    files, ledger = summary.files, summary.ledger
    delivered = [f"{files['read_count'] - files['reread_count']:,} new"]
    delivered += [f"{files['reread_count']:,} read again"] if files["reread_count"] else []
    delivered += [f"{files[f'{word}_count']} {word}" for word in ("redelivered", "corrupt", "refused")]
    if files["unsettled_count"]:
        delivered.append(f"{files['unsettled_count']} still being written, left for the next run")
    before = files["not_accepted_before_count"]
    not_accepted = f", {before:,} of them not accepted by earlier runs" if before else ""
    reasons = ", ".join(f"{plain(reason)} {count:,}" for reason, count in summary.set_aside_reasons.items())
    before_start = f" + {ledger['before_start']:,} before start_date" if ledger["before_start"] else ""
    expired = f" + {ledger['expired']:,} expired" if ledger.get("expired") else ""
    return [
        ("Files", f"{', '.join(delivered)}; {files['found_count']:,} under raw/{not_accepted}"),
        *(
            ("", f'raw/{plain(source)}/ read with preset = "{plain(preset)}", recognized from its files')
            for source, presets in summary.recognized.items()
            for preset in presets
        ),
        (
            "Lines",
            f"{ledger['lines']:,} = {ledger['accepted']:,} accepted + {ledger['set_aside']:,} quarantined"
            + (f" + {ledger['erased']:,} erased" if ledger.get("erased") else ""),
        ),
        *([("", f"quarantined for {reasons}")] if reasons else []),
        (
            "Accepted",
            f"{ledger['accepted']:,} = {counted(ledger['events'], 'event')}"
            f" + {counted(ledger['duplicates'], 'duplicate')} + {ledger['waiting']:,} not built yet"
            f"{before_start}{expired}",
        ),
        *([("Expired", counted(summary.expired_count, "partition"))] if summary.expired_count else []),
        ("Built", f"{_built(summary)}; in {summary.seconds:.1f} s"),
    ]


def _built(summary: Summary) -> str:
    """Return what a run built. Tables without days are named only if no day was built, else they belong to it."""
    if summary.built_days:
        return f"{counted(len(summary.built_days), 'day')}, {day_ranges(summary.built_days)}"
    if summary.built_tables:
        return f"{', '.join(summary.built_tables)}, of all days"
    return f"nothing, {'all other days are' if summary.outdated_days else 'all days are'} up to date"


def stages(profile: Profile, seconds: float) -> dict[str, Spent]:
    """Return the time of each stage, the longest first, and then of what no stage counts.

    Args:
        profile: The profile of the run.
        seconds: The duration of the run. Its CPU seconds are those of the process, with the start of Python.
    """
    found = dict(sorted(profile.stages.items(), key=lambda stage: -stage[1].seconds))
    found[REST] = Spent(
        seconds - sum(spent.seconds for spent in found.values()),
        process_time() - sum(spent.cpu_seconds for spent in found.values()),
    )
    return {name: Spent(round(spent.seconds, 3), round(spent.cpu_seconds, 3)) for name, spent in found.items()}


def show_stages(found: Mapping[str, Spent]) -> None:
    """Print the time of each stage for a person."""
    total = Spent(sum(spent.seconds for spent in found.values()), sum(spent.cpu_seconds for spent in found.values()))
    every = {**found, "all": total}
    rows = [(name, f"{spent.seconds:.2f}", f"{spent.cpu_seconds:.2f}") for name, spent in every.items()]
    echo()
    stdout.print(grid("stage", Right("seconds"), Right("CPU seconds"), rows=rows))


def _ledger(store: Store, settings: Settings) -> tuple[dict[str, int], dict[str, int]]:
    """Return the line counts, and the number of quarantined lines by reason.

    Waiting lines are a difference, so the sum is always right and proves nothing: counting them needs raw events, of
    the dates of which only a part is built. The check ledger_closes counts them.
    """
    accepted = [item.facts for item in store.catalog.source_files().values() if item.facts["status"] == "accepted"]
    ledger = {
        "lines": sum(facts["line_count"] for facts in accepted),
        "accepted": sum(facts["accepted_count"] for facts in accepted),
        "set_aside": sum(facts["set_aside_count"] for facts in accepted),
        "erased": sum(facts.get("erased_count", 0) for facts in accepted),
        "events": _open_rows(store, "events"),
        "duplicates": _open_rows(store, "duplicate_events"),
    }
    if expired := sum(facts.get("expired_count", 0) for facts in accepted):
        ledger["expired"] = expired
    ledger["before_start"] = delivered_files.lines_before_start(settings, store)
    ledger["waiting"] = ledger["accepted"] - ledger["events"] - ledger["duplicates"] - ledger["before_start"]
    ledger["waiting"] -= expired
    reasons: Counter[str] = Counter()
    for partition in store.of_table("quarantined_lines"):
        reasons.update(partition.counts)
    shown = dict(reasons.most_common(SHOWN_REASONS))
    if reasons.total() > sum(shown.values()):
        shown["other reasons"] = reasons.total() - sum(shown.values())
    return ledger, shown


def _not_accepted_before(files: IngestSummary, store: Store) -> int:
    """Return the number of files that earlier runs did not accept; this run did not read them again."""
    return max(delivered_files.not_accepted_count(store) - files.corrupt_count - files.refused_count, 0)


def _open_rows(store: Store, name: str) -> int:
    """Return the number of rows of a table on days that are not frozen."""
    frozen_before = store.catalog.frozen_before()
    return sum(
        partition.row_count
        for partition in store.of_table(name)
        if frozen_before is None or (partition.key.date and partition.key.date >= frozen_before)
    )


def _frozen(files: IngestSummary) -> list[str]:
    if not files.frozen_count:
        return []
    count = counted(files.frozen_count, "accepted line")
    return [f"{count} of frozen days arrived, or can be read now; such days are not built again"]


def _withdrawn(files: IngestSummary) -> list[str]:
    if not files.withdrawn_count:
        return []
    count = counted(files.withdrawn_count, "file")
    return [f"{count} accepted earlier cannot be read with the current settings; the rows are removed from all tables"]

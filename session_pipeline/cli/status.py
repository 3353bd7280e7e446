"""The command status: the state of a data folder, printed or checked for a monitor."""

import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer

from session_pipeline.cli import problems
from session_pipeline.cli.app import AsJson, Data, chosen_folder, ended
from session_pipeline.cli.screen import counted, echo, echo_json, grid, plain, size, span, stdout
from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import history
from session_pipeline.defs.history import PastRun
from session_pipeline.errors import HistoryError, WrongUseError
from session_pipeline.ingest.changes import changed_fields
from session_pipeline.publish import publication, published_state
from session_pipeline.reference.days import day_ranges
from session_pipeline.run import delivered_files
from session_pipeline.run.opened import make_planner, open_folder

LAST_RUNS = 5  # shown
SEARCHED_RUNS = 1_000  # for the last build: many runs of ingest can follow it, one for each delivery
INGEST = "ingest"  # the job that builds and publishes nothing; defs/jobs.py has the name, but takes long to load
SHOWN_JOBS = {"__ASSET_JOB": "materialize"}  # Dagster's name for runs that its UI starts with "Materialize"
AGE = re.compile(r"(\d{1,6}) ?(min|h|d)")
CLOCKS_DIFFER = timedelta(minutes=5)  # more between the machines that publish and that ask is an error of a clock
UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


@dataclass(frozen=True)
class Status:
    """The state of a data folder.

    Attributes:
        until: Last day that a run would build now.
        files: Number of delivered files by status.
        files_not_accepted: The delivered files that were not accepted and are still under raw/: path, status, reason.
        problems: Errors other than stale days and an old publication; `--check` reports them.
        warnings: Unusual findings that can be correct.
        changed_fields: For each source, sentences about columns that its newest file has and earlier files lack, or
            the reverse.
        stale_because: What the next run will build and why; None if nothing is stale.
        overdue_because: The same for the days up to the last published day, so that the start of a new day alone does
            not trigger `--check`.
        outdated_days: Days that were built with older settings or models and wait for `run --upgrade`.
        frozen_before: The first day that is not frozen; earlier days are not built again. None if no day is frozen.
        age_seconds: Time since the last publication; negative if the clock was set back since.
        is_published: Whether readers have the newest state.
    """

    folder: str
    until: str
    files: dict[str, int]
    files_not_accepted: list[dict[str, str]]
    files_to_read: dict[str, str]
    problems: list[str]
    warnings: list[str]
    changed_fields: dict[str, list[str]]
    lines: dict[str, int]
    days: list[str]
    stale_days: list[str]
    stale_because: str | None
    overdue_because: str | None
    outdated_days: list[str]
    frozen_before: str | None
    published_at: str | None
    published_until: str | None
    age_seconds: float | None
    is_published: bool
    byte_counts: dict[str, int]
    runs: list[PastRun]


def status(
    check: Annotated[
        bool, typer.Option("--check", help="Exit with 1 if a published day is stale, or anything is too old or wrong.")
    ] = False,
    max_age: Annotated[str, typer.Option(help="Maximum age of the publication: 90min, 30h, 2d.")] = "30h",
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Show what is built, how fresh it is, problems and last runs.

    Monitors use --check, which exits with 1 if a published day is stale, or something is too old or wrong.
    """
    oldest = _age(max_age)
    found = _status(chosen_folder(data))
    if as_json:
        echo_json(asdict(found))
    else:
        _show(found)
    overdue = _overdue(found, oldest)
    if check and (overdue or found.problems):
        remedy = ["run `session-pipeline run`"] if overdue and not _is_of_the_future(found) else []
        raise ended(plain("; ".join([*overdue, *found.problems, *remedy])))


def _status(folder: DataFolder) -> Status:
    with open_folder(folder) as opened:
        settings, store, until, plan = opened.settings, opened.store, opened.until, opened.plan()
        ledger = [item.facts for item in store.catalog.source_files().values()]
        latest = store.catalog.latest_publication()
        published_until = min(latest.data_until, until) if latest else until
        plan_as_published = plan if published_until == until else make_planner(settings, store, published_until).plan()
        published_at = datetime.fromisoformat(latest.published_at).replace(tzinfo=UTC) if latest else None
        accepted = [facts for facts in ledger if facts["status"] == "accepted"]
        there = delivered_files.files_there(folder, store)
        wrong = problems.find(folder, settings, store, plan)
        runs, unreadable = _last_runs(folder)
        # Without what follows in brackets: the free space can change between two questions.
        reported = {sentence.partition(" (")[0] for sentence in wrong.errors}
        return Status(
            folder=str(folder.path),
            until=str(until),
            files=dict(Counter(facts["status"] for facts in ledger)),
            files_not_accepted=[
                {"path": facts["path"], "status": facts["status"], "reason": str(facts["reason"])}
                for facts in ledger
                if facts["status"] != "accepted" and facts["file_id"] in there
            ],
            files_to_read=opened.files_to_read(),
            problems=[
                *wrong.errors,
                *(each for each in unreadable if each.partition(" (")[0] not in reported),
                *([] if published_state.is_current(folder, store, plan_as_published) else _failed_build(runs)),
            ],
            warnings=wrong.warnings,
            changed_fields=changed_fields(ledger),
            lines={
                "line": sum(facts["line_count"] for facts in accepted),
                "accepted": sum(facts["accepted_count"] for facts in accepted),
                "set_aside": sum(facts["set_aside_count"] for facts in accepted),
                "erased": sum(facts.get("erased_count", 0) for facts in accepted),
            },
            days=sorted(str(partition.key.date) for partition in store.of_table("sessions")),
            stale_days=[str(day) for day in plan.days],
            stale_because=publication.why_not(plan),
            overdue_because=publication.why_not(plan_as_published),
            outdated_days=sorted(map(str, plan.outdated_days)),
            frozen_before=str(frozen) if (frozen := plan.frame.frozen_before) else None,
            published_at=published_at.isoformat(timespec="seconds") if published_at else None,
            published_until=str(latest.data_until) if latest else None,
            age_seconds=(datetime.now(UTC) - published_at).total_seconds() if published_at else None,
            is_published=published_state.is_current(folder, store, plan),
            byte_counts={
                "store": sum(partition.byte_count for partition in store.partitions.values()),
                "warehouse": folder.warehouse.stat().st_size if folder.warehouse.is_file() else 0,
                "raw": _delivered_bytes(folder),
            },
            runs=runs[:LAST_RUNS],
        )


def _delivered_bytes(folder: DataFolder) -> int:
    """Return the size of all files below raw/, except those that this user may not see or that vanish meanwhile."""
    total = 0
    for path in folder.raw.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def _last_runs(folder: DataFolder) -> tuple[list[PastRun], list[str]]:
    """Return the last runs, and a sentence if they cannot be read."""
    try:
        return history.last_runs(folder, SEARCHED_RUNS), []
    except HistoryError as error:
        return [], [str(error)]


def _failed_build(runs: Sequence[PastRun]) -> list[str]:
    """Return a sentence if the last build that ended has failed."""
    ended_builds = [past.status for past in runs if past.job != INGEST and past.status in ("success", "failure")]
    if ended_builds[:1] != ["failure"]:
        return []
    return ["the last build failed, and what is built is not published; `session-pipeline run` says why"]


def _overdue(found: Status, oldest: timedelta) -> list[str]:
    """Return sentences about a publication that is missing, too old or stale."""
    sentences = []
    if found.age_seconds is None:
        sentences.append("nothing is published yet")
    elif _is_of_the_future(found):
        sentences.append(
            f"the age of the published state is not known: it was published at {found.published_at}, which is later"
            " than the clock of this machine; set the clock"
        )
    elif found.age_seconds > oldest.total_seconds():
        limit = span(oldest.total_seconds())
        sentences.append(f"the published state is {span(found.age_seconds)} old, the limit is {limit}")
    if found.overdue_because:
        sentences.append(found.overdue_because.partition(";")[0])
    return sentences


def _is_of_the_future(found: Status) -> bool:
    """Whether the last publication is later than now. Then the clock is, or was, wrong."""
    return (found.age_seconds or 0) < -CLOCKS_DIFFER.total_seconds()


def _show(found: Status) -> None:
    stdout.print(grid("", "", rows=_rows(found)))
    problems.show(problems.Problems(found.problems, found.warnings))
    for source, sentences in found.changed_fields.items():
        echo(plain(f"Fields of {source}: {'; '.join(sentences)}"), style="yellow")
    if found.runs:
        echo()
        _show_runs(found.runs)


def _rows(found: Status) -> list[tuple[str, str]]:
    days = list(map(date.fromisoformat, found.days))
    not_accepted = [f"{count:,} {word}" for word, count in sorted(found.files.items()) if word != "accepted"]
    waiting = f"{counted(len(found.files_to_read), 'file')} to be read by the next run" if found.files_to_read else ""
    but_outdated = ", except outdated days" if found.outdated_days else ""
    rows = [
        ("Folder", found.folder),
        ("Files", ", ".join([f"{found.files.get('accepted', 0):,} accepted", *not_accepted, *filter(None, [waiting])])),
        (
            "Lines",
            "{line:,} = {accepted:,} accepted + {set_aside:,} quarantined".format(**found.lines)
            + (f" + {found.lines['erased']:,} erased" if found.lines["erased"] else ""),
        ),
        ("Days", f"{len(days):,} built{', ' + day_ranges(days) if days else ''}"),
    ]
    if found.stale_because:
        rows.append(("Stale", found.stale_because))
    elif not found.files_to_read:
        rows.append(("Up to date", f"through {found.until}{but_outdated}"))
    if found.frozen_before:
        frozen = sum(day < found.frozen_before for day in found.days)
        sentence = (
            f"days before {found.frozen_before} ({frozen:,} built): their raw events have expired; they stay as is"
        )
        rows.append(("Frozen", sentence))
    if found.outdated_days:
        older = f"{counted(len(found.outdated_days), 'day')} of older settings; `run --upgrade` rebuilds them"
        rows.append(("Outdated", older))
    sizes = ", ".join(f"{name} {size(count)}" for name, count in found.byte_counts.items())
    return [*rows, ("Published", _published(found)), ("Sizes", sizes)]


def _published(found: Status) -> str:
    """Return when the state that readers have was published, and its last day."""
    if found.age_seconds is None:
        return "not yet"
    when = f"{span(max(found.age_seconds, 0))} ago"
    if _is_of_the_future(found):
        when = f"at {found.published_at}, later than the clock of this machine"
    newer = "" if found.is_published else "; the current state is not published yet"
    return f"{when}, days through {found.published_until}{newer}"


def _show_runs(runs: Sequence[PastRun]) -> None:
    rows = [
        (
            past.run_id[:8],
            SHOWN_JOBS.get(past.job, past.job),
            past.status,
            f"{past.started_at:%Y-%m-%d %H:%M} UTC",
            span(past.seconds) if past.seconds is not None else "",
            past.reason,
        )
        for past in runs
    ]
    stdout.print(grid("last runs", "job", "status", "started", "took", "reason", rows=rows))


def _age(text: str) -> timedelta:
    match = AGE.fullmatch(text)
    if match is None:
        raise WrongUseError(f"--max-age {text} is not a duration; write it as 90min, 30h or 2d")
    return int(match[1]) * UNITS[match[2]]

"""The command erase: erases a visitor or a user from everything that is built, and for all later files.

The steps are in `run.erasure`; `cli.exclusive_runs` does the work in between. `cli.runs` finishes an erasure that was
interrupted.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from session_pipeline import interrupts, report
from session_pipeline.cli.app import AsJson, Data, Site, Until, User, Visitor, chosen_folder, ended
from session_pipeline.cli.exclusive_runs import exclusive_run, read_new_files, work
from session_pipeline.cli.screen import counted, echo, echo_json, plain, stderr
from session_pipeline.errors import WrongUseError
from session_pipeline.ingest.erasing.erasures import unfinished_in
from session_pipeline.publish import publication
from session_pipeline.run import erasure, pipeline
from session_pipeline.run.held import Held, find_held
from session_pipeline.run.person import Person
from session_pipeline.run.run import Run
from session_pipeline.store.shortage import report_shortage

if TYPE_CHECKING:
    from dagster import DagsterInstance

SHOWN_FILES = 20
SHOWN_IDS = 20


@dataclass(frozen=True)
class Leftovers:
    """What an erasure deleted at its end.

    Attributes:
        reports: Reports of days that the visitor was seen on.
        other_pages: Pages in the folder of reports that contain an id and are no reports; they stay.
        history_count: Runs, ticks and logs that contained an id; None if the history is in another storage.
        frozen_before: Days before this one are frozen, so their counts still include the visitor; None if none are.
    """

    reports: tuple[Path, ...]
    other_pages: tuple[Path, ...]
    history_count: int | None
    frozen_before: date | None


def erase(
    visitor: Visitor = None,
    user: User = None,
    site: Site = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    until: Until = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Erase a visitor or a user, also from files that arrive later.

    Delivered files are not changed; those that contain the visitor are listed.
    """
    if as_json and not yes:
        raise WrongUseError("--json does not ask for confirmation; add --yes")
    interrupts.raise_interrupts(even_if_ignored=True)
    folder = chosen_folder(data)
    person = Person(visitor, user, site)
    with (
        report_shortage(folder.dagster_home),
        pipeline.open_folder(folder, until=until.date() if until else None) as opened,
    ):
        known = {opened.settings.source(source).site for source in opened.settings.sources} | {
            item.facts["site"] for item in opened.store.catalog.source_files().values()
        }
        if site is not None and site not in known:
            raise WrongUseError(f"there is no site {site!r}; the sites are {', '.join(sorted(known)) or 'unknown yet'}")
        held = find_held(opened, person)
        if not as_json:
            with suppress(BrokenPipeError):  # a reader such as `head` that needs no more lines does not prevent it
                _show(held)
        question = "Remember this id as erased?" if held.is_empty else "Erase this?"
        if not yes and not typer.confirm(f"{question} It cannot be undone.", err=True):
            raise ended("nothing was erased")
        with exclusive_run(opened) as (run, jobs, shown):
            # New files can say which visitors are the user's. Once erased, their lines are not kept to say so.
            read_new_files(run, jobs)
            held = find_held(run, person)
            erasure.record(run, held)
            work(run, jobs, shown)
            plan = run.plan()
            if unpublished := publication.why_not(plan):
                raise ended(f"{unpublished}; run `session-pipeline run`, which finishes the erasure")
            shown.begin("Deleting what is left")
            leftovers = finish(run, jobs.instance)
    if as_json:
        echo_json(_as_json(held, leftovers))
    else:
        _show_done(held, leftovers)


def finish(run: Run, instance: "DagsterInstance") -> Leftovers:
    """Do the last steps of an erasure, after its result is published.

    Raises:
        StoreError: Another process uses the history of runs or the catalog.
    """
    from session_pipeline.defs import erased_history  # Dagster is slow to load

    left = unfinished_in(run.folder)
    assert left is not None, "an erasure is unfinished"
    if not report.is_current(run.folder):
        report.write(run.folder, run.settings)
    reports = erasure.delete_leftovers(run, left)
    other_pages = erasure.pages_with_ids(run.folder, left)
    history_count = erased_history.remove(instance, run.folder, left)
    erasure.finish(run)
    return Leftovers(tuple(reports), tuple(other_pages), history_count, run.store.catalog.frozen_before())


def _show(held: Held) -> None:
    if held.is_empty:
        echo("Nothing is held about this id. Its lines will be left out if they arrive later.")
    else:
        sites = sorted({site for site, _ in (*held.visitors, *held.shared_visitors)})
        lines = held.event_count + held.quarantined_count
        where = f" of {', '.join(map(plain, sites))}" if sites else ""
        days = len({day for _, day in held.days})
        echo(
            f"To be erased: {counted(lines, 'line')}{where}, {counted(len(held.session_ids), 'session')},"
            f" {counted(days, 'day')}, {counted(len(held.visitors), 'visitor')}"
        )
        if held.quarantined_count:
            echo(f"  of the lines, {held.quarantined_count:,} are quarantined lines that contain the id")
    if held.shared_visitors:
        echo(
            f"{counted(len(held.shared_visitors), 'visitor')} also with other user ids: only the events with this"
            " user id are erased there"
        )
    _show_ids(held)
    if held.former_count:
        echo(
            f"{counted(held.former_count, 'event')} of other visitors with the id as former id (identity.previous_id):"
            " only the id is removed"
        )
    if held.mention_count:
        echo(
            f"{counted(held.mention_count, 'event')} of other visitors contain the id, in a URL, a title or properties:"
            " they stay",
            style="yellow",
        )
    if held.files:
        echo(f"Delivered files with these lines ({len(held.files):,}) are not changed; delete them yourself:")
        _show_paths(held.files)
    if held.unsearched_files:
        echo(
            f"Delivered files whose rows or texts have expired ({len(held.unsearched_files):,}) were not searched; they"
            " can contain the id:",
            style="yellow",
        )
        _show_paths(held.unsearched_files)


def _show_paths(paths: Sequence[Path]) -> None:
    for path in paths[:SHOWN_FILES]:
        echo(f"  {plain(path)}")
    if len(paths) > SHOWN_FILES:
        echo(f"  and {len(paths) - SHOWN_FILES:,} more; --json lists all")


def _show_ids(held: Held) -> None:
    """Show the ids that are erased together with the given ones, and whose device a given one is."""
    others = [*dict.fromkeys(each for _, each in (*held.visitors, *held.users) if each not in held.person.ids)]
    if others:
        more = f" and {len(others) - SHOWN_IDS:,} more; --json lists all" if len(others) > SHOWN_IDS else ""
        echo(f"Ids that are erased, too: {', '.join(map(plain, others[:SHOWN_IDS]))}{more}")
    for person in held.counts_for:
        echo(
            f"In the tables, this visitor id counts for {plain(person)}, whose other ids are not erased", style="yellow"
        )


def _show_done(held: Held, leftovers: Leftovers) -> None:
    echo("Erased. Lines that arrive later are left out, too.")
    if leftovers.reports:
        echo(
            f"{counted(len(leftovers.reports), 'report')} of these days deleted; `session-pipeline report --date DATE`"
            " writes one again"
        )
    for path in leftovers.other_pages:
        echo(f"{plain(path)} is not a report and contains the id: it stays", style="yellow")
    if held.files:
        echo(f"Not changed: {counted(len(held.files), 'delivered file')} with these lines, listed above")
    if held.unsearched_files:
        count = counted(len(held.unsearched_files), "delivered file")
        echo(f"Not searched: {count} whose rows or texts have expired, listed above", style="yellow")
    if leftovers.history_count is None:
        echo("dagster.yaml names another storage for the history of runs: it was not searched", style="yellow")
    if leftovers.frozen_before is not None:
        echo(
            f"Counts of frozen days, before {leftovers.frozen_before}, still include the visitor, and so do the figures"
            " of sessions shared with others: these days cannot be built again; they name nobody, except by values of"
            " your own dimensions, which stay until these days expire (keep_days)",
            style="yellow",
        )
    stderr.print("Exports, backups and copies of the data folder are not changed.", soft_wrap=True)


def _as_json(held: Held, leftovers: Leftovers) -> dict[str, object]:
    return {
        "line_count": held.event_count + held.quarantined_count,
        "event_count": held.event_count,
        "quarantined_count": held.quarantined_count,
        "session_count": len(held.session_ids),
        "days": sorted({str(day) for _, day in held.days}),
        "visitor_count": len(held.visitors),
        "shared_visitor_count": len(held.shared_visitors),
        "visitors": [{"site": site, "visitor_id": each} for site, each in held.visitors],
        "users": [{"site": site, "user_id": each} for site, each in held.users],
        "mention_count": held.mention_count,
        "former_count": held.former_count,
        "delivered_files": [str(path) for path in held.files],
        "gone_files": list(held.gone_files),
        "unsearched_files": [str(path) for path in held.unsearched_files],
        "deleted_reports": [str(path) for path in leftovers.reports],
        "other_pages": [str(path) for path in leftovers.other_pages],
        "deleted_from_history_count": leftovers.history_count,
        "frozen_before": str(leftovers.frozen_before) if leftovers.frozen_before else None,
    }

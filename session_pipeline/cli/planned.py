"""The command plan: what `run` would build, and why. The plan itself is made in `build.planner`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from session_pipeline.build.expiry import Expiry
from session_pipeline.build.plan import Item, Kind, Plan
from session_pipeline.cli import problems
from session_pipeline.cli.app import AsJson, Data, Until, Upgrade, chosen_folder
from session_pipeline.cli.problems import Problems, undated
from session_pipeline.cli.screen import counted, echo, echo_json, grid, plain, stdout
from session_pipeline.data_folder import DataFolder
from session_pipeline.publish import published_state
from session_pipeline.reference.days import day_ranges
from session_pipeline.run import delivered_files
from session_pipeline.run.opened import open_folder
from session_pipeline.store.records import Key

SHOWN_FILES = 10


@dataclass(frozen=True)
class Preview:
    """What the next run would do.

    Attributes:
        plan: What is stale, outdated or unwanted.
        files_to_read: The delivered files that are read first, each with the reason.
        files_gone: Files whose events stay as they are, because they are missing while their settings changed.
        expiry: What has expired, and is removed when nothing is stale.
        is_published: Whether readers have the present state.
        problems: What a person should look at.
    """

    plan: Plan
    files_to_read: Mapping[str, str]
    files_gone: Sequence[str]
    expiry: Expiry
    is_published: bool
    problems: Problems

    @property
    def new_frozen_before(self) -> date | None:
        """The first day that would not be frozen then; None if nothing expires, because then none is recorded."""
        return None if self.expiry.is_empty else self.expiry.frozen_before


def plan(until: Until = None, upgrade: Upgrade = False, as_json: AsJson = False, data: Data = None) -> None:
    """Show what `run` would build, and why; builds nothing."""
    preview = _preview(chosen_folder(data), until.date() if until else None, upgrade=upgrade)
    if as_json:
        echo_json(_for_json(preview))
    else:
        _show(preview)


def _preview(folder: DataFolder, until: date | None, *, upgrade: bool) -> Preview:
    with open_folder(folder, until=until, upgrade=upgrade) as opened:
        found = opened.plan(upgrade=upgrade)
        return Preview(
            plan=found,
            files_to_read=opened.files_to_read(),
            files_gone=delivered_files.files_gone(folder, opened.settings, opened.store),
            expiry=opened.expiry(),
            is_published=published_state.is_current(folder, opened.store, found),
            problems=problems.find(folder, opened.settings, opened.store, found),
        )


def _for_json(preview: Preview) -> dict[str, Any]:
    found, expiry = preview.plan, preview.expiry
    return {
        "until": found.frame.until,
        "items": [_item(item) for item in found.items],
        "outdated": [_item(item) for item in found.outdated],
        "unwanted": [str(key) for key in found.unwanted],
        "expiring": [str(key) for key in (*expiry.drop, *expiry.texts)],
        "frozen_before": preview.new_frozen_before or found.frame.frozen_before,
        "files_to_read": preview.files_to_read,
        "files_gone": preview.files_gone,
        "is_published": preview.is_published,
        "problems": preview.problems.errors,
        "warnings": preview.problems.warnings,
    }


def _show(preview: Preview) -> None:
    found = preview.plan
    _show_files(preview.files_to_read, preview.files_gone)
    if found.items:
        echo(f"Stale days through {found.frame.until}:", style="bold")
        stdout.print(grid("step", "days", "", "reason", rows=_grouped(found.items)))
        echo("will: is stale now. may: an input is stale; rebuilt only if that input changes.", style="dim")
    if found.unwanted:
        _show_dropped(found.unwanted)
    _show_expired(preview)
    if not (found.items or found.outdated or found.unwanted or preview.files_to_read):
        echo(f"Up to date through {found.frame.until}{', and published' if preview.is_published else ''}.")
    if not found.items and not preview.is_published:
        echo("The current state is not published yet; `run` publishes it.")
    problems.show(preview.problems)


def _show_files(to_read: Mapping[str, str], gone: Sequence[str]) -> None:
    if to_read:
        echo(f"{counted(len(to_read), 'file')} to read first; their days are not known yet:", style="bold")
        rows = [(f"  raw/{plain(name)}", reason) for name, reason in list(to_read.items())[:SHOWN_FILES]]
        more = [(f"  and {len(to_read) - SHOWN_FILES} more", "")] if len(to_read) > SHOWN_FILES else []
        stdout.print(grid("", "", rows=[*rows, *more]))
    for name in gone[:SHOWN_FILES]:
        echo(f"raw/{plain(name)} is missing, and the settings that it is read with changed: its rows stay unchanged")
    if len(gone) > SHOWN_FILES:
        echo(f"and {counted(len(gone) - SHOWN_FILES, 'more file')} like this")


def _show_dropped(unwanted: Sequence[Key]) -> None:
    days = {key.date for key in unwanted if key.date}
    tables = ", ".join(sorted({key.table for key in unwanted if not key.date}))
    of_days = f" of days that are no longer wanted, {day_ranges(days)}" if days else ""
    also = f"{' and' if days else ' of'} {tables}" if tables else ""
    echo(f"Dropped: {counted(len(unwanted), 'partition')}{of_days}{also}")


def _show_expired(preview: Preview) -> None:
    expiry, frozen_before = preview.expiry, preview.new_frozen_before
    if expiry.drop:
        days = {key.date for key in expiry.drop if key.date}
        echo(f"Expired: {counted(len(expiry.drop), 'partition')}, {day_ranges(days)}; removed when nothing is stale")
    if expiry.texts:
        echo(f"Expired: the text of quarantined lines of {counted(len(expiry.texts), 'file')}")
    if frozen_before and frozen_before != preview.plan.frame.frozen_before:
        echo(f"Frozen then: days before {frozen_before}, which are not built again")


def _item(item: Item) -> dict[str, Any]:
    return {
        "step": item.step.name,
        "tables": item.step.tables,
        "day": item.day,
        "certainty": item.certainty.value,
        "kind": "logic" if item.kind is Kind.LOGIC else "data",  # users see only these two
        "reason": item.reason,
    }


def _grouped(items: Iterable[Item]) -> list[tuple[str, str, str, str]]:
    """Group items of the same step, certainty and reason into one row, with their days."""
    groups: dict[tuple[str, str, str], list[date]] = {}
    for item in items:
        days = groups.setdefault((item.step.name, item.certainty.value, undated(item.reason)), [])
        if item.day is not None:
            days.append(item.day)
    return [
        (name, f"{counted(len(days), 'day')}, {day_ranges(days)}" if days else "all days", certainty, reason)
        for (name, certainty, reason), days in groups.items()
    ]

"""The command plan: what `run` would build, and why. The plan itself is made in `build.plan`."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from session_pipeline.build.plan import Item, Kind
from session_pipeline.cli import problems
from session_pipeline.cli.app import AsJson, Data, Until, Upgrade, chosen_folder
from session_pipeline.cli.problems import undated
from session_pipeline.cli.screen import counted, echo, echo_json, grid, plain, stdout
from session_pipeline.publish import published_state
from session_pipeline.reference.days import day_ranges
from session_pipeline.run import delivered_files
from session_pipeline.run.opened import open_folder

SHOWN_FILES = 10


def plan(until: Until = None, upgrade: Upgrade = False, as_json: AsJson = False, data: Data = None) -> None:
    """Show what `run` would build, and why; builds nothing."""
    folder = chosen_folder(data)
    with open_folder(folder, until=until.date() if until else None, upgrade=upgrade) as now:
        last_day = now.until
        found = now.plan(upgrade=upgrade)
        to_read = now.files_to_read()
        gone = delivered_files.files_gone(folder, now.settings, now.store)
        is_published = published_state.is_current(folder, now.store, found)
        wrong = problems.find(folder, now.settings, now.store, found)
        expiry = now.expiry()
        frozen_then = None if expiry.is_empty else expiry.frozen_before  # without anything to remove, none is recorded
    if as_json:
        echo_json(
            {
                "until": last_day,
                "items": [_item(item) for item in found.items],
                "outdated": [_item(item) for item in found.outdated],
                "unwanted": [str(key) for key in found.unwanted],
                "expiring": [str(key) for key in (*expiry.drop, *expiry.texts)],
                "frozen_before": frozen_then or found.frame.frozen_before,
                "files_to_read": to_read,
                "files_gone": gone,
                "is_published": is_published,
                "problems": wrong.errors,
                "warnings": wrong.warnings,
            }
        )
        return
    if to_read:
        echo(f"{counted(len(to_read), 'file')} to read first; their days are not known yet:", style="bold")
        rows = [(f"  raw/{plain(name)}", reason) for name, reason in list(to_read.items())[:SHOWN_FILES]]
        more = [(f"  and {len(to_read) - SHOWN_FILES} more", "")] if len(to_read) > SHOWN_FILES else []
        stdout.print(grid(("", "left"), ("", "left"), rows=[*rows, *more]))
    for name in gone:
        echo(f"raw/{plain(name)} is missing, and the settings that it is read with changed: its rows stay unchanged")
    if found.items:
        echo(f"Stale days through {last_day}:", style="bold")
        headings = ("step", "days", "", "reason")
        stdout.print(grid(*[(heading, "left") for heading in headings], rows=_grouped(found.items)))
        echo("will: is stale now. may: an input is stale; rebuilt only if that input changes.", style="dim")
    if found.unwanted:
        days = {key.date for key in found.unwanted if key.date}
        tables = ", ".join(sorted({key.table for key in found.unwanted if not key.date}))
        of_days = f" of days without events, {day_ranges(days)}" if days else ""
        also = f"{' and' if days else ' of'} {tables}" if tables else ""
        echo(f"Dropped: {counted(len(found.unwanted), 'partition')}{of_days}{also}")
    if expiry.drop:
        days = {key.date for key in expiry.drop if key.date}
        echo(f"Expired: {counted(len(expiry.drop), 'partition')}, {day_ranges(days)}; removed when nothing is stale")
    if expiry.texts:
        echo(f"Expired: the text of quarantined lines of {counted(len(expiry.texts), 'file')}")
    if frozen_then and frozen_then != found.frame.frozen_before:
        echo(f"Frozen then: days before {frozen_then}, which are not built again")
    if not (found.items or found.outdated or found.unwanted or to_read):
        echo(f"Up to date through {last_day}{', and published' if is_published else ''}.")
    if not found.items and not is_published:
        echo("The current state is not published yet; `run` publishes it.")
    problems.show(wrong)


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

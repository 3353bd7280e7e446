"""Commands that work: run, plan (what run would do) and dev (the Dagster UI)."""

import os
import re
import socket
import sys
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict
from datetime import date, datetime
from time import perf_counter
from typing import Annotated, Any

import typer

from session_pipeline import data_folder, pipeline
from session_pipeline.cli import progress, summary
from session_pipeline.cli.app import AsJson, Data, ended
from session_pipeline.cli.screen import counted, day_ranges, grid, out, plain, say, say_json
from session_pipeline.data_folder import DataFolder
from session_pipeline.days import dates
from session_pipeline.defs import home, tags
from session_pipeline.errors import WrongUseError
from session_pipeline.plan import Item, Plan
from session_pipeline.publish import publication
from session_pipeline.settings import Settings, load_settings
from session_pipeline.steps import STEPS

ROUNDS = 3  # what was damaged and mended can make more stale than the first plan knew
ANY_DATE = re.compile(r"\[[\d-]+\]")
SHOWN_FILES = 10

Until = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="The last day that counts. [default: yesterday]"),
]
Upgrade = Annotated[
    bool, typer.Option("--upgrade", help="Also rebuild days that only rules changed for, however many there are.")
]


def run(until: Until = None, upgrade: Upgrade = False, as_json: AsJson = False, data: Data = None) -> None:
    """Take in what was delivered, build what is stale, publish, report. The Dagster UI shows the runs."""
    started = perf_counter()
    folder = data_folder.find(data)
    settings = load_settings(folder.path)
    last_day = pipeline.horizon(settings, until.date() if until else None)

    from session_pipeline.defs import local_runs  # Dagster takes its time to load
    from session_pipeline.defs.sensors import run_tags

    with local_runs.instance_of(folder) as instance, progress.stages() as shown, progress.watching(shown):
        dead = local_runs.fail_dead_runs(instance, folder)
        if dead:
            shown.note(f"{counted(dead, 'run')} that a dead process left open: reported as failed")
        launched_by = {tags.REASON: "command line"}
        ingested, files = local_runs.ingest(instance, {tags.UNTIL: str(last_day), **launched_by})
        finished = [ingested]
        for _ in range(ROUNDS):
            plan = pipeline.current_plan(folder, settings, last_day, upgrade=upgrade)
            for first, last in plan.ranges():
                shown.begin("Building", _build_count(plan, first, last), "step of a day")
                reason = "upgrade" if upgrade else launched_by[tags.REASON]
                finished.append(local_runs.build(instance, run_tags(plan, str(first), str(last), reason)))
            if plan.is_empty or not plan.days:
                break
        if not plan.days and (plan.items or not _readers_have_it(folder, settings, plan)):
            shown.begin("Publishing")
            publishing = {tags.UNTIL: str(last_day), tags.PLANNED: "publish", **launched_by}
            finished.append(local_runs.build(instance, publishing, has_days=False))
            plan = pipeline.current_plan(folder, settings, last_day, upgrade=upgrade)

    alarms = [sentence for one in finished for sentence in (*one.errors, *one.warnings)]
    told = summary.gather(
        folder,
        settings,
        files,
        {one.run_id for one in finished},
        alarms=[*alarms, *_deferred(plan), *_nothing_delivered(folder, files.found_count)],
        seconds=perf_counter() - started,
    )
    if as_json:
        say_json(asdict(told))
    else:
        summary.show(told)
    if unpublished := publication.why_not(plan):
        raise ended(f"{unpublished}; run again, and if that says the same, look at `session-pipeline dev`")
    if errors := [sentence for one in finished for sentence in one.errors]:
        raise ended(f"{counted(len(errors), 'check')} failed: {'; '.join(errors)}")


def plan(until: Until = None, upgrade: Upgrade = False, as_json: AsJson = False, data: Data = None) -> None:
    """Say what `run` would build, and why. Builds nothing."""
    folder = data_folder.find(data)
    settings = load_settings(folder.path)
    last_day = pipeline.horizon(settings, until.date() if until else None)
    with closing(pipeline.open_store(folder)) as store:
        found = pipeline.make_planner(settings, store, last_day).plan(upgrade=upgrade)
        to_read = pipeline.files_to_read(folder, settings, store)
        gone = pipeline.files_gone(folder, settings, store)
        is_published = publication.is_current(folder, store, found)
    if as_json:
        say_json(
            {
                "until": last_day,
                "items": [_item(item) for item in found.items],
                "deferred": [_item(item) for item in found.deferred],
                "unwanted": [str(key) for key in found.unwanted],
                "files_to_read": to_read,
                "files_gone": gone,
                "is_published": is_published,
            }
        )
        return
    if to_read:
        say(f"{counted(len(to_read), 'file')} to be read first; days that they bring are not known yet:", style="bold")
        rows = [(f"  raw/{plain(name)}", reason) for name, reason in list(to_read.items())[:SHOWN_FILES]]
        more = [(f"  and {len(to_read) - SHOWN_FILES} more", "")] if len(to_read) > SHOWN_FILES else []
        out.print(grid(("", "left"), ("", "left"), rows=[*rows, *more]))
    for name in gone:
        say(f"raw/{plain(name)} is gone and its source's settings changed: its rows stay as they were read")
    if found.items:
        say(f"Of the days until {last_day}, these are stale:", style="bold")
        out.print(grid(("step", "left"), ("days", "left"), ("", "left"), ("because", "left"), rows=_grouped(found.items)))
        say("will: is stale now. may: reads something stale; stays as it is where that comes out equal.", style="dim")
    if found.unwanted:
        days = {key.date for key in found.unwanted if key.date}
        say(f"Dropped: {counted(len(found.unwanted), 'partition')} of days no longer wanted, {day_ranges(days)}")
    for sentence in _deferred(found):
        say(sentence)
    if not found.items and not to_read and not found.unwanted:
        say(f"Nothing: every day until {last_day} is fresh{', and readers have it' if is_published else ''}.")
    if not found.items and not is_published:
        say("To be published: readers do not have this state yet.")


def dev(
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Where on 127.0.0.1.")] = 3000, data: Data = None
) -> None:
    """Open the Dagster UI on this machine: runs, tables, checks; schedule and sensors are on."""
    folder = data_folder.find(data)
    load_settings(folder.path)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise WrongUseError(f"port {port} is in use; name another with --port") from None

    from session_pipeline.defs import local_runs

    with local_runs.instance_of(folder) as instance:
        local_runs.fail_dead_runs(instance, folder)
    say(f"The Dagster UI will be at http://127.0.0.1:{port} in a few seconds; Ctrl-C ends it.")
    sys.stdout.flush()
    command = [sys.executable, "-m", "dagster", "dev", "-m", "session_pipeline.definitions", "-h", "127.0.0.1"]
    os.execve(sys.executable, [*command, "-p", str(port)], {**os.environ, **home.prepare(folder)})


def _build_count(plan: Plan, first: date, last: date) -> int:
    """How many steps of a day a run over a range looks at."""
    days = sum(1 for day in dates(first, last) if plan.frame.is_wanted(day))
    return sum(days if step.is_daily else 1 for step in STEPS)


def _readers_have_it(folder: DataFolder, settings: Settings, plan: Plan) -> bool:
    with closing(pipeline.open_store(folder)) as store:
        return publication.is_current(folder, store, plan) and any(folder.reports.glob("*.html"))


def _deferred(plan: Plan) -> list[str]:
    days = {item.day for item in plan.deferred if item.day}
    if not days:
        return []
    return [
        f"{counted(len(days), 'day')} built by older rules, {day_ranges(days)} ({_undated(plan.deferred[0].reason)}):"
        " more than max_rebuild_days, so they wait for `session-pipeline run --upgrade`"
    ]


def _nothing_delivered(folder: DataFolder, found_count: int) -> list[str]:
    return [] if found_count else [f"there is no file under {folder.raw} yet; put some into a folder for each source"]


def _item(item: Item) -> dict[str, Any]:
    return {
        "step": item.step.name,
        "tables": item.step.tables,
        "day": item.day,
        "certainty": item.certainty.value,
        "kind": item.kind.value,
        "reason": item.reason,
    }


def _grouped(items: Iterable[Item]) -> list[tuple[str, str, str, str]]:
    """Items of one step and reason as one row, with their days."""
    groups: dict[tuple[str, str, str], list[date]] = {}
    for item in items:
        days = groups.setdefault((item.step.name, item.certainty.value, _undated(item.reason)), [])
        if item.day is not None:
            days.append(item.day)
    return [
        (name, f"{counted(len(days), 'day')}, {day_ranges(days)}" if days else "all in one", certainty, reason)
        for (name, certainty, reason), days in groups.items()
    ]


def _undated(reason: str) -> str:
    return ANY_DATE.sub("", reason)

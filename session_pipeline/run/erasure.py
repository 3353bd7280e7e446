"""Erases a person: records the erasure, removes rows from logs, and deletes old files and reports.

The steps, in this order. Each can be repeated, so an erasure that was killed goes on with the next `erase` or `run`:

1. `record`: the keyed hashes are written to erasures.json, together with what the later steps need.
2. Ingest removes the rows from the delivered files' partitions (ingest/erasing/erase_stored.py).
3. The plan rebuilds the days whose input changed.
4. `remove_from_logs`, and then publishing, which writes the warehouse as a new file.
5. `delete_leftovers`: files of earlier states, free pages of the catalog, reports.
6. The history of runs is searched (defs/erased_history.py).
7. `finish`: erasures.json keeps only the hashes.
"""

import os
from collections.abc import Collection
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from session_pipeline import report
from session_pipeline.data_folder import DataFolder
from session_pipeline.engines.sql import literal
from session_pipeline.errors import StoreError
from session_pipeline.ingest.erasing.erase_stored import REASON
from session_pipeline.ingest.erasing.erasures import Unfinished, erasures_of
from session_pipeline.ingest.mapping.visitors import PROPERTY_PURPOSE, make_key
from session_pipeline.run.held import Held, with_person
from session_pipeline.store import crash_points
from session_pipeline.store.files import entries_of, remove_temporaries, sync_folder
from session_pipeline.store.records import Partition, Written
from session_pipeline.tables import table
from session_pipeline.tables.steps import LOGS

if TYPE_CHECKING:  # imports this module
    from session_pipeline.run.run import Run


def record(run: "Run", held: Held) -> None:
    """Record the erasure of a person. From now on, no run ingests or keeps a row of it."""
    folder = run.folder
    key = make_key(folder.visitor_key)
    erasures = with_person(erasures_of(folder), held)
    left = Unfinished(
        ids=(*held.ids, *held.session_ids),
        visitors=held.row_visitors,
        users=held.users,
        session_ids=held.session_ids,
        days=held.days,
        former_ids=tuple((site, key.keyed(PROPERTY_PURPOSE, each)) for site, each in (*held.row_visitors, *held.users)),
    )
    run.store.check_lock()
    replace(erasures, unfinished=left.with_others(erasures.unfinished or Unfinished())).save(folder.erasures)
    crash_points.reached("erase: recorded")
    run.renew_work()


def remove_from_logs(run: "Run", left: Unfinished) -> None:
    """Remove rows about erased visitors from the logs, which cannot be rebuilt.

    Of a log of visitors, their rows are removed. Of a log of figures, all rows of the days and sites that they visited
    are removed, because the difference of two rows would show what an erased visitor did.
    """
    for log in LOGS:
        for partition in run.store.of_table(log.table):
            if run.store.is_intact(partition):
                _remove_from_log(run, partition, left)
    crash_points.reached("erase: logs written again")


def _remove_from_log(run: "Run", partition: Partition, left: Unfinished) -> None:
    contract = table(partition.key.table)
    names = {column.name for column in contract.columns}
    conditions = [f"contains(reason, {literal(REASON)})"]
    if "visitor_id" in names:
        visitors = [f"({literal(site)}, {literal(visitor)})" for site, visitor in left.visitors]
        conditions.append(_is_one_of("(site, visitor_id)", visitors))
        ids = [literal(each) for each in left.session_ids]
        conditions += [_is_one_of(name, ids) for name in ("session_id", "replaced_session_id") if name in names]
    else:
        sites = [literal(site) for site, day in left.days if day == partition.key.date]
        conditions.append(_is_one_of("site", sites))
    kept = f"not coalesce({' or '.join(conditions)}, false)"
    path = run.store.scratch / f"{contract.name}.{partition.key.date}.parquet"
    with run.engine.job() as job:
        job.add_input(contract, run.store.paths_of(partition))
        count = job.rows(f"select count(*) as row_count from {contract.name} where {kept}").column(0)[0].as_py()
        if count == partition.row_count:
            return
        if count:
            job.write(contract, f"select * from {contract.name} where {kept}", path)
    written = [Written(partition.key, path, count, fingerprint="", reason=REASON)] if count else []
    run.store.commit(written, run_id=run.run_id, drop=[] if count else [partition.key])


def _is_one_of(expression: str, values: Collection[str]) -> str:
    # A disjunction, because a comparison with null must not make the whole condition null.
    return f"coalesce({expression} in ({', '.join(values)}), false)" if values else "false"


def delete_leftovers(run: "Run", left: Unfinished) -> list[Path]:
    """Delete the files of earlier states and the reports that show the days of erased visitors; return the reports.

    Connections that were opened before can lose files of views that they read.

    Raises:
        StoreError: Something is not published yet, or another process reads the catalog, or can be the writer.
    """
    latest = run.store.catalog.latest_publication()
    if latest is None or latest.generation != run.store.catalog.generation():
        raise StoreError("the erasure is not published yet; run `session-pipeline run`, which finishes it")
    run.store.delete_unused()
    return _delete_reports(run, left)


def _delete_reports(run: "Run", left: Unfinished) -> list[Path]:
    """Delete the reports that show days of erased visitors or contain their ids, except those of this publication."""
    folder = run.folder
    days = [day for _, day in left.days]
    current = folder.warehouse.stat().st_mtime_ns
    gone = []
    run.store.check_lock()
    for pattern in report.TEMPORARIES:  # of reports that were killed, also in another container
        remove_temporaries(folder.reports, pattern, is_only_writer=True)
    for path in filter(_is_report, _pages(folder)):
        is_current = path.stat().st_mtime_ns == current
        if not is_current and (_shows(path, days) or _contains(path, left)):
            run.store.check_lock()
            path.unlink()
            gone.append(path)
            crash_points.reached("erase: report deleted")
    if gone:
        sync_folder(folder.reports)
    return gone


def pages_with_ids(folder: DataFolder, left: Unfinished) -> list[Path]:
    """Return the pages in the folder of reports that are not reports and contain an erased id. They stay."""
    pages = [path for path in _pages(folder) if not _is_report(path)]
    return [path for path in pages if path.is_file() and os.access(path, os.R_OK) and _contains(path, left)]


def _pages(folder: DataFolder) -> list[Path]:
    return [path for path in entries_of(folder.reports) if path.suffix == ".html"]


def _is_report(path: Path) -> bool:
    return path.name == report.FILE_NAME or report.day_of(path) is not None


def _contains(path: Path, left: Unfinished) -> bool:
    return left.search.is_in(path.read_text(encoding="utf-8", errors="replace"))


def _shows(path: Path, days: Collection[date]) -> bool:
    """Whether a report can have figures of one of these days: it counts the lines of all days, and retention of weeks.

    One that is not named by its last day is taken to show all days.
    """
    last_day = report.day_of(path)
    return any(last_day is None or day <= last_day for day in days)


def finish(run: "Run") -> None:
    """Remove the ids in plain text; only the keyed hashes stay."""
    run.store.check_lock()
    replace(erasures_of(run.folder), unfinished=None).save(run.folder.erasures)
    crash_points.reached("erase: finished")

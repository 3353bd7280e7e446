"""Commands that write answers down: report and export."""

import math
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from session_pipeline import data_folder, reading
from session_pipeline.cli.app import Data
from session_pipeline.cli.screen import say, size
from session_pipeline.errors import StoreError, WrongUseError
from session_pipeline.pipeline import open_store
from session_pipeline.publish import publication, warehouse
from session_pipeline.shortage import shortage_said


def report(data: Data = None) -> None:
    """Write the HTML report, and print where it is."""
    from session_pipeline.report import write  # charts take their time to load

    say(str(write(data_folder.find(data))))


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The DuckDB file to write.")], data: Data = None
) -> None:
    """Write the warehouse as one self-contained file."""
    folder = data_folder.find(data)
    target = file.absolute()
    if target.exists():
        raise WrongUseError(f"{file} exists already; name another file, or remove it first")
    with closing(open_store(folder)) as store:
        with store.catalog.snapshot():  # a run can go on meanwhile
            store.refresh()
            latest = next(iter(store.catalog.publications()), None)
            generation = store.catalog.generation()
        with reading.connect(folder.path) as connection:
            info = connection.sql("select * from warehouse_info").to_arrow_table()
        if latest is None or {latest.generation, generation} != set(info.column("generation").to_pylist()):
            raise StoreError("the store is newer than what is published; run `session-pipeline run`, then export again")
        partitions = publication.published_partitions(store)
        with shortage_said(target.parent):
            warehouse.publish(store, target, partitions, info, native_limit_bytes=math.inf)
    say(f"{file}, {size(target.stat().st_size)}")

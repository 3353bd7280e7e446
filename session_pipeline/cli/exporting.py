"""The commands report and export: write the HTML report, or the warehouse as one file."""

import math
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from session_pipeline.cli.app import Data, Site, User, Visitor, chosen_folder, day_of
from session_pipeline.cli.output import STANDARD_OUTPUT, destination, is_regular, refuse_own_file
from session_pipeline.cli.screen import echo
from session_pipeline.errors import StoreError, WrongUseError
from session_pipeline.publish import published_state, reader, warehouse, warehouse_file
from session_pipeline.run.person import Person
from session_pipeline.run.pipeline import open_store
from session_pipeline.store.shortage import report_shortage
from session_pipeline.tables import TABLES

LastDay = Annotated[
    datetime | None,
    typer.Option("--date", parser=day_of, metavar="DATE", help="Last day of the report. [default: the latest]"),
]


def report(last_day: LastDay = None, data: Data = None) -> None:
    """Write the HTML report, and print its path.

    With --date, the report of the week that ends with that day is written to its own file.
    """
    from session_pipeline.report import write, write_day  # the charts are slow to import

    folder = chosen_folder(data)
    echo(str(write_day(folder, last_day.date()) if last_day else write(folder).path))


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; with --visitor, - prints.")],
    visitor: Visitor = None,
    user: User = None,
    site: Site = None,
    data: Data = None,
) -> None:
    """Write the warehouse as one self-contained file.

    With --visitor or --user, write everything that is held about one visitor or user instead, as JSON.
    """
    folder = chosen_folder(data)
    is_of_person = bool(visitor or user or site)
    if file != STANDARD_OUTPUT:
        refuse_own_file(folder, file)
        if is_regular(file):
            raise WrongUseError(f"{file} already exists; name another file, or remove it first")
    elif not is_of_person:
        raise WrongUseError("a warehouse cannot be printed; name a file (- prints only with --visitor or --user)")
    if is_of_person:
        from session_pipeline.cli import personal_data  # not needed for the warehouse

        personal_data.write(folder, Person(visitor, user, site), file)
        return
    with closing(open_store(folder)) as store:
        with store.catalog.snapshot():  # a run can be writing at the same time
            store.refresh()
            latest = store.catalog.latest_publication()
            generation = store.catalog.generation()
        with reader.connect(folder.path) as connection:
            info = connection.sql("select * from warehouse_info").to_arrow_table()
            left_out = TABLES.keys() - warehouse.tables_of(connection)
        if latest is None or {latest.generation, generation} != set(info.column("generation").to_pylist()):
            raise StoreError("the store is newer than what is published; run `session-pipeline run`, then export again")
        partitions = published_state.published_partitions(store)
        with report_shortage(file.absolute().parent), destination(file) as target:
            new = warehouse_file.NewFile(target, is_only_writer=False)
            new.write(store, partitions, info, native_limit_bytes=math.inf, left_out=left_out)
            new.put_in_place()

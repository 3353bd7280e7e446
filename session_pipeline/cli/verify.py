"""The command verify: compares the store with the catalog and with what is published, and counts the lines.

Damage is only marked here; `run` rebuilds what is damaged.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import duckdb

from session_pipeline.checks import ledger_closes
from session_pipeline.cli import progress
from session_pipeline.cli.app import AsJson, Data, chosen_folder, ended
from session_pipeline.cli.screen import counted, echo, echo_json, size
from session_pipeline.data_folder import DataFolder
from session_pipeline.errors import StoreError
from session_pipeline.publish import comparison, published_state
from session_pipeline.run import pipeline
from session_pipeline.run.run import Run
from session_pipeline.settings import load_settings
from session_pipeline.store.records import Partition


def verify(as_json: AsJson = False, data: Data = None) -> None:
    """Check every file of the store, what is published, and the number of lines.

    Every row of the catalog is compared with its digest; `verify` ends if one is damaged. Every file of the store is
    hashed, and every line must be accounted for. Damaged files are marked, and the next `run` rebuilds them.

    The warehouse and the lake are compared with the store. If they differ, the next `run` writes both again. They are
    not compared if the store has changed since they were published. This reads the whole warehouse once. In the lake,
    links to the store are not read again; copies, as on another disk, are hashed.
    """
    folder = chosen_folder(data)
    load_settings(folder.path)
    with progress.stages() as shown:
        with closing(pipeline.open_store(folder)) as store:
            store.require_write_access()  # for the marks of damaged files; to hash them all takes long
            shown.begin("Checking the catalog")
            store.catalog.check_rows()
            present = [*store.partitions.values()]
            shown.begin("Hashing", len(present), "file")
            wrong = []
            for number, (partition, problem) in enumerate(store.verify(), start=1):
                shown.show(number, str(partition.key))
                if problem:
                    wrong.append(partition)
            checked = [partition for partition in present if partition not in wrong]
            file_count = sum(len(partition.files) for partition in checked)
        shown.begin("Counting lines")
        problems, new_count, is_comparable = _mark_and_count(folder, present, wrong, shown)
        if is_comparable:
            problems += _published_problems(folder, shown)
    if as_json:
        echo_json({"verified_count": file_count, "unverified_count": new_count, "problems": problems})
    else:
        total = size(sum(partition.byte_count for partition in checked))
        echo(f"{counted(file_count, 'file')} of the store {'is' if file_count == 1 else 'are'} unchanged ({total})")
        if new_count:
            echo(
                f"not checked: {counted(new_count, 'file')} that a run wrote at the same time; verify again",
                style="yellow",
            )
        for problem in problems:
            echo(f"ERROR: {problem}", style="bold red")
    if problems:
        raise ended(f"{counted(len(problems), 'problem')} found; `session-pipeline run` rebuilds what can be rebuilt")
    if not as_json:
        published = "the warehouse and the lake are as published"
        outdated = (
            "the warehouse and the lake are not up to date, so they were not compared; run `session-pipeline run`"
        )
        echo(f"every line is accounted for; {published if is_comparable else outdated}")


def _mark_and_count(
    folder: DataFolder, hashed: Sequence[Partition], suspects: Sequence[Partition], shown: progress.Stages
) -> tuple[list[str], int, bool]:
    """Lock the store, mark the files that are still damaged, and check the ledger and the file of the warehouse.

    Returns:
        The problems found, the number of files that another run has written since the others were hashed, and whether
        the last publication has the rows of the present store.
    """
    with pipeline.open_run(folder, run_id="verify", on_wait=shown.note) as run:
        run.store.catalog.record_missing_digests()
        problems = [problem for suspect in suspects if (problem := _marked(run, suspect))]
        problems += _ledger_problems(run)
        problems += _problems_of_warehouse_file(run)
        files = {file.path for partition in hashed for file in partition.files}
        new_count = sum(file.path not in files for each in run.store.partitions.values() for file in each.files)
        return problems, new_count, published_state.is_of_present_store(folder, run.store)


def _marked(run: Run, suspect: Partition) -> str | None:
    """Mark a partition that is still damaged; return the problem, or None if there is none any more."""
    if run.store.get(suspect.key) != suspect:
        return None  # another run has replaced it in the meantime
    try:
        file = run.store.damaged_file(suspect)
        run.refuse_unreadable(suspect)
    except StoreError as error:
        return str(error)
    if file is None and not suspect.is_damaged:
        return None
    file = file or run.store.path_of(suspect)
    how = "does not contain what was written"
    if not file.is_file():
        how = "is missing"
    elif run.store.is_unreadable(suspect):
        how = "cannot be read (Input/output error)"
    run.store.mark_damaged(suspect)
    return f"{suspect.key}: {file} {how}; `run` rebuilds it"


def _ledger_problems(run: Run) -> list[str]:
    try:
        verdict = ledger_closes(run, run.planner.frame.wanted)
    except duckdb.Error:
        return ["lines cannot be counted while files are damaged; verify again after `run`"]
    return [] if verdict.holds else [f"the line counts do not add up: {verdict.sentence}"]


def _problems_of_warehouse_file(run: Run) -> list[str]:
    warehouse = run.folder.warehouse
    if not warehouse.is_file():
        return [f"there is no {warehouse}; `run` creates it"]
    if published_state.is_changed(run.folder, run.store):
        return [
            f"{warehouse} is not the file that was published: its size or modification time differs;"
            " `run` writes it again"
        ]
    return []


def _published_problems(folder: DataFolder, shown: progress.Stages) -> list[str]:
    """Compare what is published with the store; if it differs, make the next run publish all of it again.

    A warehouse that is another file than the published one is a problem already, so it is not read.
    """
    with closing(pipeline.open_store(folder)) as store:
        generation = store.catalog.generation()
        partitions = published_state.published_partitions(store)
        shown.begin("Comparing the lake", len(partitions), "partition")
        different = comparison.lake_differences(
            store, folder.lake, partitions, lambda number, partition: shown.show(number, str(partition.key))
        )
        problems = list(_lake_problems(different))
        if folder.warehouse.is_file() and not published_state.is_changed(folder, store):
            shown.begin("Reading the warehouse")
            if difference := comparison.warehouse_difference(store, folder.warehouse, partitions):
                problems.append(f"{folder.warehouse}: {difference}; `run` writes it again")
        if not problems:
            return []
        with store.writing(wait_seconds=pipeline.LOCK_WAIT_SECONDS, on_wait=shown.note):
            if store.catalog.generation() != generation:
                return []  # a run published something else in the meantime
            published_state.publish_again(store)
        return problems


def _lake_problems(different: Mapping[Path, comparison.Difference]) -> Iterator[str]:
    """Yield a sentence for each kind of difference, with the first file."""
    for kind, text in (("missing", "missing"), ("different", "not as published")):
        paths = [path for path, found in different.items() if found == kind]
        if paths:
            files = f"{counted(len(paths), 'file')} of the lake {'is' if len(paths) == 1 else 'are'} {text}: {paths[0]}"
            yield f"{files}{' and others' if len(paths) > 1 else ''}; `run` writes the lake again"

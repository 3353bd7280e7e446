"""The command verify: compares the files of the store with the catalog, and the line counts with the tables.

Damaged files are only marked here; `run` rebuilds them.
"""

from contextlib import closing

import duckdb

from session_pipeline.checks import ledger_closes
from session_pipeline.cli import progress
from session_pipeline.cli.app import AsJson, Data, chosen_folder, ended
from session_pipeline.cli.screen import counted, echo, echo_json, size
from session_pipeline.data_folder import DataFolder
from session_pipeline.publish import lake, publication
from session_pipeline.run import pipeline
from session_pipeline.settings import load_settings
from session_pipeline.store.records import Partition


def verify(as_json: AsJson = False, data: Data = None) -> None:
    """Check the hash of every file in the store, and count lines.

    Every line must be accounted for. Damaged files are marked, and the next `run` rebuilds them. Of the warehouse and
    the lake, only missing files are found; their content is not read.
    """
    folder = chosen_folder(data)
    load_settings(folder.path)
    with progress.stages() as shown:
        with closing(pipeline.open_store(folder)) as store:
            shown.begin("Hashing", len(store.partitions), "file")
            wrong = []
            for number, (partition, problem) in enumerate(store.verify(), start=1):
                shown.show(number, str(partition.key))
                if problem:
                    wrong.append(partition)
            checked = [partition for partition in store.partitions.values() if partition not in wrong]
            file_count = sum(len(partition.files) for partition in checked)
        shown.begin("Counting lines")
        problems, is_current = _mark_and_count(folder, wrong, shown)
        problems += _published_problems(folder, is_current)
    if as_json:
        echo_json({"verified_count": file_count, "problems": problems})
    else:
        total = size(sum(partition.byte_count for partition in checked))
        echo(f"{counted(file_count, 'file')} of the store {'is' if file_count == 1 else 'are'} unchanged ({total})")
        for problem in problems:
            echo(f"ERROR: {problem}", style="bold red")
    if problems:
        raise ended(f"{counted(len(problems), 'problem')} found; `session-pipeline run` rebuilds what can be rebuilt")
    if not as_json:
        published = "no file of the warehouse or the lake is missing"
        outdated = (
            "the warehouse and the lake are not up to date, so they were not compared; run `session-pipeline run`"
        )
        echo(f"every line is accounted for; {published if is_current else outdated}")


def _mark_and_count(folder: DataFolder, suspects: list[Partition], shown: progress.Stages) -> tuple[list[str], bool]:
    """Lock the store, mark the files that are still damaged and check the ledger.

    Returns:
        The problems found, and whether readers have the newest state.
    """
    problems = []
    with pipeline.open_run(folder, run_id="verify", on_wait=shown.note) as run:
        for partition in suspects:
            # Another run may have replaced it in the meantime.
            file = run.store.damaged_file(partition)
            if run.store.get(partition.key) != partition or (file is None and not partition.is_damaged):
                continue
            file = file or run.store.path_of(partition)
            gone = "is missing" if not file.is_file() else "does not contain what was written"
            problems.append(f"{partition.key}: {file} {gone}; `run` rebuilds it")
            run.store.mark_damaged(partition)
        try:
            verdict = ledger_closes(run, run.planner.frame.wanted)
            if not verdict.holds:
                problems.append(f"the line counts do not add up: {verdict.sentence}")
        except duckdb.Error:
            problems.append("lines cannot be counted while files are damaged; verify again after `run`")
        return problems, publication.is_current(folder, run.store, run.plan())


def _published_problems(folder: DataFolder, is_current: bool) -> list[str]:
    """Return which published files are missing. A publication that is older than the store is not compared."""
    if not folder.warehouse.is_file():
        return [f"there is no {folder.warehouse}; `run` creates it"]
    if not is_current:
        return []
    with closing(pipeline.open_store(folder)) as store:
        missing = [
            folder.lake / place
            for partition in publication.published_partitions(store)
            for place in lake.places_of(partition)
            if not (folder.lake / place).is_file()
        ]
    if not missing:
        return []
    return [
        f"{counted(len(missing), 'file')} of the lake missing: {missing[0]}{' and others' if len(missing) > 1 else ''};"
        f" remove {folder.warehouse}, and `run` rebuilds both"
    ]

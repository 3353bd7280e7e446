"""Runs the jobs in this process, against the Dagster instance of the data folder, so that the UI shows the runs.

What is stale is decided in `build.planner`; the work is done in `run.run`. Past runs are read in `defs.history`.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
from dagster._check import CheckError
from dagster._config import validate_config
from dagster._core.instance.config import dagster_instance_config_schema
from dagster._core.instance.ref import InstanceRef
from dagster_shared.yaml_utils import load_yaml_from_globs
from sqlalchemy.exc import DatabaseError

from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import broken_history, code_location, dead_runs, home, tags
from session_pipeline.defs.deployment import make_definitions, make_ingest_definitions
from session_pipeline.defs.failures import was_interrupted, why
from session_pipeline.defs.jobs import BUILD, INGEST, UNDATED
from session_pipeline.defs.partitions import BuiltDays, days_of
from session_pipeline.errors import DamagedHistoryError, HistoryError, SessionPipelineError
from session_pipeline.run.profile import DAGSTER
from session_pipeline.run.run import Run
from session_pipeline.settings.shortening import shortened
from session_pipeline.store.locks import folder_lock
from session_pipeline.store.shortage import disk_full, means_disk_full, too_many_files
from session_pipeline.store.sqlite import primary_code

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
# Steps print nothing, so no process is started to copy what they print to files. The log has all messages.
NOTHING_PRINTED = {
    "module": "dagster._core.storage.noop_compute_log_manager",
    "class": "NoOpComputeLogManager",
    "config": {},
}

# Of the primary part of SQLite's extended error codes.
REFUSED = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}


class RunFailedError(SessionPipelineError):
    """A run of a job failed."""


@contextmanager
def instance_of(folder: DataFolder) -> Iterator[dg.DagsterInstance]:
    """Open the Dagster instance of a data folder.

    Raises:
        HistoryError: A database of the instance is broken, or cannot be written; or dagster.yaml is not valid.
    """
    home.prepare(folder)
    overrides: dict[str, Any] | None = None
    if home.has_own_storage(folder):
        # A dagster.yaml of an older version names no storage, and one of now takes the folder from the environment.
        overrides = {**home.own_storages(folder), "compute_logs": NOTHING_PRINTED}
    with _errors_explained(folder):
        # The lock is for storages that a user chose; ours take locks themselves.
        with folder_lock(folder.dagster_home), _named_if_not_valid(folder):
            instance = dg.DagsterInstance.from_ref(_read(folder, overrides))
        with instance:
            yield instance


def check_parts_of_processes(folder: DataFolder) -> None:
    """Check what a permanent process uses later: its databases, and how runs are queued, launched and logged.

    Otherwise the process starts, and each run that it launches fails. What dagster.yaml names is loaded with the
    environment variables of the process, because it can use them. The file is written if it is missing.

    Raises:
        HistoryError: A class does not exist, or its configuration is not valid; or a database is damaged.
    """
    if home.has_own_storage(folder) and (found := broken_history.damaged(folder.dagster_home, reads_all=False)):
        raise DamagedHistoryError(found)
    with _variables(home.prepare(folder)), _named_if_not_valid(folder):
        ref = _read(folder)
        _ = ref.run_coordinator, ref.run_launcher, ref.compute_log_manager


@contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, and restore them at the end."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _read(folder: DataFolder, overrides: dict[str, Any] | None = None) -> InstanceRef:
    """Read dagster.yaml. Values of a wrong type are named, also where Dagster uses them before it checks their type."""
    try:
        return InstanceRef.from_dir(str(folder.dagster_home), overrides=overrides)
    except (AttributeError, TypeError, CheckError):
        written = load_yaml_from_globs(str(home.settings_of(folder)))
        if errors := validate_config(dagster_instance_config_schema(), {**written, **(overrides or {})}).errors:
            raise _not_valid(folder, errors[0].message) from None
        raise


@contextmanager
def _named_if_not_valid(folder: DataFolder) -> Iterator[None]:
    """Name dagster.yaml, and what to do, if Dagster cannot use what it says."""
    try:
        yield
    except Exception as error:
        # By its module, because only Dagster depends on the library that parses the file.
        is_of_yaml = type(error).__module__.startswith("yaml.")
        if not is_of_yaml and not isinstance(error, (dg.DagsterInvalidConfigError, CheckError)):
            raise
        why = str(error).strip().removeprefix("Failure condition: ")
        raise _not_valid(folder, why.partition("Error 1: ")[2] or why) from error


def _not_valid(folder: DataFolder, why: str) -> HistoryError:
    return home.unusable(home.settings_of(folder), f"is not valid ({shortened(why)})")


@contextmanager
def _errors_explained(folder: DataFolder) -> Iterator[None]:
    """Name the database that is damaged, or the folder if one cannot be written. SQLite names no file."""
    try:
        yield
    except (DatabaseError, sqlite3.DatabaseError) as error:  # the latter also of the catalog of the store
        if broken_history.is_damage(error.orig if isinstance(error, DatabaseError) else error):
            found = broken_history.damaged(folder.dagster_home, reads_all=True)
            if found is not None and home.has_own_storage(folder):
                raise DamagedHistoryError(found) from error
        if not isinstance(error, DatabaseError) or primary_code(error.orig) not in REFUSED:
            raise
        raise HistoryError(
            f"Dagster cannot use its database in {folder.dagster_home} ({error.orig}); the user that runs this needs"
            " write access to that folder and to all files in it"
        ) from error


class LocalRuns:
    """Launches the jobs of a data folder in this process. They do their work in one pipeline run, which is open."""

    def __init__(self, run: Run, instance: dg.DagsterInstance) -> None:
        """Take the pipeline run and the Dagster instance of its data folder."""
        self._run = run
        self.instance = instance
        self._loaded: tuple[BuiltDays, dg.Definitions] | None = None

    def ingest(self, run_tags: Mapping[str, str]) -> None:
        """Run the job that ingests delivered files.

        Raises:
            RunFailedError: The run failed; the message states the reason.
        """
        self._execute(partial(make_ingest_definitions, self._run.folder, self._run), INGEST, run_tags)

    def build(self, run_tags: Mapping[str, str]) -> None:
        """Run the job that builds a range of days and publishes.

        Args:
            run_tags: Tags of the run, with the range of days. Without one, only the assets without daily partitions are
                built.

        Raises:
            RunFailedError: The run failed; the message states the reason.
        """
        self._execute(self._definitions, BUILD, run_tags, None if tags.planned_days(run_tags) else UNDATED)

    def _definitions(self) -> dg.Definitions:
        """Return definitions whose partitions match the current days; an ingest can add days."""
        days = days_of(self._run.store, self._run.settings)
        if self._loaded is None or self._loaded[0] != days:
            self._loaded = days, make_definitions(self._run.folder, self._run)
        return self._loaded[1]

    def _execute(
        self,
        make: Callable[[], dg.Definitions],
        name: str,
        run_tags: Mapping[str, str],
        assets: Sequence[dg.AssetKey] | None = None,
    ) -> None:
        run_id = str(uuid4())
        self._run.begin(run_id)
        if days := tags.planned_days(run_tags):
            self._run.begin_ahead(*days)  # while Dagster makes its definitions
        failed_before = len(self._run.outcome.failed_checks)
        with self._run.profile.stage(DAGSTER):
            result = code_location.execute(
                make(),
                name,
                instance=self.instance,
                run_id=run_id,
                run_config=QUIET,
                tags={**run_tags, **dead_runs.signature(run_id)},
                assets=assets,
            )
        if not result.success:
            if was_interrupted(result.all_events):
                raise KeyboardInterrupt
            failed = [str(check) for check in self._run.outcome.failed_checks[failed_before:] if check.is_error]
            reasons = failed or [why(result.all_events)]
            if means_disk_full(reasons[0]):  # for Dagster's own files; errors of the store are already converted
                raise disk_full(Path(self.instance.root_directory))
            if error := too_many_files(reasons[0]):
                raise error
            raise RunFailedError(f"{name} failed: {'; '.join(reasons)} (run {result.run_id[:8]})")

"""Deliberate bugs: each is a plausible mistake in one place, with the program that finds it and the error it causes.

A bug is a function that changes the package through `put(object, name, value)`.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from io import FileIO
from typing import Any

from session_pipeline.build import fingerprints
from session_pipeline.build.fingerprints import Fingerprint, Fingerprints
from session_pipeline.build.planner import Planner
from session_pipeline.engines import duckdb_jobs as engine
from session_pipeline.ingest import deliveries
from session_pipeline.ingest.mapping import rules, source_rules
from session_pipeline.ingest.reading import work
from session_pipeline.publish import lake, native_rows, publication, published_state, warehouse_file
from session_pipeline.reference.days import Calendar
from session_pipeline.store import locks, store, store_files
from session_pipeline.store.catalog import Catalog
from session_pipeline.store.records import Partition, Recipe
from session_pipeline.store.store import Store
from session_pipeline.store.store_files import StoreFiles
from session_pipeline.tables import models
from session_pipeline_tests.machine import programs
from session_pipeline_tests.machine.programs import Program
from session_pipeline_tests.mutation.replaced_models import learn_models

Put = Callable[[Any, str, Any], None]


@dataclass(frozen=True)
class Bug:
    """A bug, the program that finds it, and a pattern of the error that it causes."""

    put_in: Callable[[Put], None]
    program: Program
    said: str


BUGS: dict[str, Bug] = {}


def met_by(program: Program, said: str) -> Callable[[Callable[[Put], None]], Callable[[Put], None]]:
    """Register a bug under its function's name."""

    def keep(put_in: Callable[[Put], None]) -> Callable[[Put], None]:
        BUGS[put_in.__name__] = Bug(put_in, program, said)
        return put_in

    return keep


@dataclass(frozen=True)
class PutIn:
    """Puts a bug permanently into the process that calls it. Instances can be pickled and sent to another process."""

    name: str

    def __call__(self) -> None:
        BUGS[self.name].put_in(setattr)


def _in_model(put: Put, model: str, changes: Mapping[str, str]) -> None:
    learn_models()
    text = models.text
    for before in changes:
        assert before in text(model), f"{model}.sql has no {before!r} any more"

    def changed(name: str) -> str:
        sql = text(name)
        for before, after in changes.items() if name == model else ():
            sql = sql.replace(before, after)
        return sql

    put(models, "text", changed)


def _with_parts(put: Put, change: Callable[[dict[str, str]], None]) -> None:
    fingerprint = Fingerprints.of

    def changed(self: Fingerprints, step: Any, day: Any, new: Any = fingerprints.NOTHING_NEW) -> Fingerprint | None:
        found = fingerprint(self, step, day, new)
        if found is None:
            return None
        parts = dict(found.parts)
        change(parts)
        return Fingerprint(fingerprints.digest(parts), parts)

    put(Fingerprints, "of", changed)


# Identity of files


@met_by(programs.redelivered_under_another_name, "no such content was delivered")
def file_is_known_by_its_name(put: Put) -> None:
    admit = source_rules.admit

    def admitted(path: Any, **more: Any) -> Any:
        return replace(admit(path, **more), file_id=sha256(str(path).encode()).hexdigest()[:32])

    put(source_rules, "admit", admitted)


@met_by(programs.redelivered_compressed, "no such content was delivered")
def file_is_known_by_its_compressed_bytes(put: Put) -> None:
    admit = source_rules.admit

    def admitted(path: Any, **more: Any) -> Any:
        said = f"{more['source']}\n{sha256(path.read_bytes()).hexdigest()}"
        return replace(admit(path, **more), file_id=sha256(said.encode()).hexdigest()[:32])

    put(source_rules, "admit", admitted)


@met_by(programs.replaced, "the ledger has other files than were read")
def replaced_file_of_equal_size_is_not_looked_into(put: Put) -> None:
    found = deliveries.deliveries

    def by_size(folder: Any) -> Any:
        return [replace(one, stamp=str(one.path.lstat().st_size)) for one in found(folder)]

    put(deliveries, "deliveries", by_size)


@met_by(programs.deleted, "the ledger has other files|rows of it are missing|is half built")
def deleted_file_takes_its_rows_along(put: Put) -> None:
    run = deliveries.Ingest.run

    def forgetful(self: Any, *arguments: Any, **more: Any) -> Any:
        summary = run(self, *arguments, **more)
        present = {one.name for one in deliveries.deliveries(self._folder)}
        gone = {file_id for file_id in self._ledger.files if present.isdisjoint(self._store.catalog.paths_of(file_id))}
        self._store.commit([], run_id="x", drop=[key for key in self._store.partitions if key.file_id in gone])
        return summary

    put(deliveries.Ingest, "run", forgetful)


@met_by(programs.first_run, "the ledger says|the counts of the parts are those of the rows")
def bad_line_is_dropped_without_a_count(put: Put) -> None:
    put(work, "check_counts", lambda *arguments: None)
    put(work.Figures, "set_aside_count", lambda self, file_id: 0)


@met_by(programs.killed_when_a_file_was_taken, "nobody delivered it")
def delivery_is_recorded_after_the_file(put: Put) -> None:
    commit = Store.commit

    def split(self: Store, written: Any, *, deliveries: Any = (), **more: Any) -> Any:
        committed = commit(self, written, **more)
        for delivery in deliveries:
            store.crash_points.reached("ingest: file taken")
            self.catalog.put_delivery(*delivery)
        return committed

    put(Store, "commit", split)


# Inputs of a day


@met_by(programs.first_run, "open_sessions: only the store")
def nothing_is_carried_over_midnight(put: Put) -> None:
    gap = "date_diff('microsecond', s.event_time"
    _in_model(put, "open_sessions", {gap: f"false and {gap}"})


@met_by(programs.first_run, "recent_event_ids|duplicate_events|events")
def recent_ids_are_not_carried(put: Put) -> None:
    _in_model(put, "recent_event_ids", {"s.event_time >=": "false and s.event_time >="})


@met_by(programs.first_run, "events: only the store|duplicate_events: only the store")
def latest_copy_wins(put: Put) -> None:
    order = "order by a.event_time, a.content_hash, a.file_id, a.line_number"
    _in_model(put, "repeated_events", {order: order.replace("a.event_time,", "a.event_time desc,")})


@met_by(programs.first_run, "events: only the store")
def events_at_one_instant_are_in_any_order(put: Put) -> None:
    order = "order by event_time, position, event_id, event_row"
    _in_model(
        put,
        "sessionized",
        {order: "order by event_time, _chance", "from stream": "from (select *, random() as _chance from stream)"},
    )


@met_by(programs.run_and_end, "other than a clean run")
def rows_are_written_in_any_order(put: Put) -> None:
    copy, write_days = engine.copy_rows, engine.write_days

    def copy_shuffled(connection: Any, contract: Any, rows: str, day: Any, path: Any, empty: Any = ()) -> int:
        if contract.name != "events":
            return copy(connection, contract, rows, day, path)
        in_any_order = replace(contract, own_order=("_chance",))
        return copy(connection, in_any_order, f"(select *, random() as _chance from {rows})", day, path)

    def write_days_shuffled(connection: Any, statistics: Any, contract: Any, sql: str, paths: Any) -> Any:
        if contract.name != "events":
            return write_days(connection, statistics, contract, sql, paths)
        in_any_order = replace(contract, own_order=("_chance",))
        shuffled = f"select *, random() as _chance from ({sql}\n)"
        return write_days(connection, statistics, in_any_order, shuffled, paths)

    put(engine, "copy_rows", copy_shuffled)
    put(engine, "write_days", write_days_shuffled)


@met_by(programs.first_run, "sessions: only the store")
def sessions_end_at_midnight_when_they_are_summed_up(put: Put) -> None:
    of_the_days = "where e.session_date in (select event_date from days)"
    _in_model(put, "sessions", {of_the_days: f"{of_the_days} and e.event_date = e.session_date"})


@met_by(programs.other_time_zone, "lines of the days built")
def only_the_first_utc_date_of_a_day_is_read(put: Put) -> None:
    utc_dates = Calendar.utc_dates
    put(Calendar, "utc_dates", lambda self, day: utc_dates(self, day)[:1])


# Staleness


@met_by(programs.comes_late, "events: only the store|open_sessions: only the store")
def fingerprint_lacks_an_input(put: Put) -> None:
    _with_parts(put, lambda parts: parts.pop("open_sessions", None) and None)


@met_by(programs.changed_timeout, "events: only the store|open_sessions: only the store")
def fingerprint_lacks_a_setting(put: Put) -> None:
    recipe = Fingerprints.recipe

    def lacking(self: Fingerprints, step: Any) -> Any:
        kept = {name: value for name, value in recipe(self, step).parts.items() if name != "setting inactivity_minutes"}
        return Recipe(fingerprints.digest(kept), kept)

    put(Fingerprints, "recipe", lacking)


@met_by(programs.changed_site, "lines of the days built|events: only the store|the ledger")
def fingerprint_of_files_lacks_their_site(put: Put) -> None:
    put(rules, "RULES", type(rules.RULES)(name for name in rules.RULES if name != "site"))


@met_by(programs.earlier_copy_comes_late, "only the store")
def equal_counts_pass_for_equal_rows(put: Put) -> None:
    fingerprint = Fingerprints.of

    def by_count(self: Fingerprints, step: Any, day: Any, new: Any = fingerprints.NOTHING_NEW) -> Fingerprint | None:
        found = fingerprint(self, step, day, new)
        if found is None:
            return None
        parts = dict(found.parts)
        for name, inputs in self._inputs.of(step, (day,)).items():
            if name != "raw_events" and all(isinstance(partition, Partition) for partition in inputs):
                parts[name] = fingerprints.digest([partition.row_count for partition in inputs])  # type: ignore[union-attr]
        return Fingerprint(fingerprints.digest(parts), parts)

    put(Fingerprints, "of", by_count)


@met_by(programs.comes_late, "lines of the days built")
def late_events_are_cut_off_without_a_word(put: Put) -> None:
    staleness = Planner.staleness

    def recent_only(self: Planner, step: Any, day: Any) -> Any:
        is_old = day is not None and day < self.frame.until - timedelta(days=2)
        is_built = all(any(key.table == name and key.date == day for key in self._partitions) for name in step.tables)
        return None if is_old and is_built else staleness(self, step, day)

    put(Planner, "staleness", recent_only)


@met_by(programs.earlier_horizon, "lines of the days built: .* too much")
def days_that_are_no_longer_wanted_stay(put: Put) -> None:
    put(Planner, "_is_unwanted", lambda self, partition: False)


# Damage


@met_by(programs.damaged_input, "only the store|other than a clean run")
def damaged_input_is_built_upon(put: Put) -> None:
    put(Store, "is_intact", lambda store, partition: True)


@met_by(programs.damaged_warehouse, "Could not read|Corrupt|too small")
def damaged_warehouse_stays(put: Put) -> None:
    put(published_state, "_is_as_published", lambda folder, store: folder.warehouse.is_file())


# Crashes


@met_by(programs.killed_after_the_first_commit, "which the ledger does not know")
def commit_takes_two_transactions(put: Put) -> None:
    commit = Store.commit

    def split(self: Store, written: Any, *, source_files: Any = (), deliveries: Any = (), **more: Any) -> Any:
        committed = commit(self, written, **more)
        if source_files:
            commit(self, [], run_id="x", source_files=source_files, deliveries=deliveries)
        return committed

    put(Store, "commit", split)


@met_by(programs.killed_after_the_first_commit, "the file is missing")
def catalog_names_a_file_before_it_is_there(put: Put) -> None:
    add, commit = StoreFiles.add, Store.commit
    moves: list[Any] = []

    def later(self: StoreFiles, files: Any) -> None:
        moves.append((self, files))

    def catalog_first(self: Store, *arguments: Any, **more: Any) -> Any:
        committed = commit(self, *arguments, **more)
        while moves:
            add(*moves.pop())
        return committed

    put(StoreFiles, "add", later)
    put(Store, "commit", catalog_first)


@met_by(programs.lost_power_after_a_commit, "its content is not what was written")
def files_are_not_made_durable(put: Put) -> None:
    put(store_files, "sync_file", lambda path: None)


@met_by(programs.lost_power_after_a_commit, "the file is missing")
def names_are_not_made_durable(put: Put) -> None:
    put(store_files, "sync_folder", lambda path: None)


@met_by(programs.lost_power_after_publishing, "not a valid DuckDB|too small|warehouse")
def warehouse_is_not_made_durable(put: Put) -> None:
    put(warehouse_file, "sync_file", lambda path: None)


@met_by(programs.killed_while_publishing, "only the warehouse|wal exists")
def warehouse_is_written_in_place(put: Put) -> None:
    write = warehouse_file._write

    def in_place(store: Store, temporary: Any, *arguments: Any) -> int:
        path = temporary.with_name("warehouse.duckdb")
        replaced = write(store, path, *arguments)
        shutil.copyfile(path, temporary)
        return replaced

    put(warehouse_file, "_write", in_place)


@met_by(programs.cancelled, "files that nobody names")
def files_of_a_cancelled_run_stay(put: Put) -> None:
    set_state = Catalog.set_state

    def always_closed(self: Catalog, name: str, value: int | str) -> None:
        set_state(self, name, 0 if name == "run_is_open" else value)

    put(Catalog, "set_state", always_closed)


# Readers


@met_by(programs.published_by_hand, "published while something is stale|the warehouse")
def half_a_state_is_published(put: Put) -> None:
    put(publication, "why_not", lambda plan: None)


@met_by(programs.comes_late, "only the warehouse has")
def warehouse_keeps_rows_that_were_replaced(put: Put) -> None:
    put(native_rows, "_delete", lambda *arguments: None)


@met_by(programs.earlier_horizon, "only the lake has")
def lake_keeps_files_that_are_gone(put: Put) -> None:
    put(lake, "_own_files", lambda folder, name: ())


@met_by(programs.read_through_views, "No files found|Cannot open file|No such file")
def files_are_swept_while_they_are_read(put: Put) -> None:
    put(store, "KEPT_PUBLICATIONS", 1)


# Writers


@met_by(programs.begun_while_held, "DID NOT RAISE|scratch folder of a run was swept|File exists")
def lock_is_not_held(put: Put) -> None:
    put(locks, "_locked", lambda path, *others: FileIO(path, "a+"))

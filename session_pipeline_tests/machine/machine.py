"""Operates one deployment: every operation that can happen to it, in any order, each followed by all checks.

Random programs (test_state_machine.py) and hand-written programs (programs.py) consist of these operations. The checks
are in checks.py.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import date
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from session_pipeline.errors import StoreError, StoreHeldError
from session_pipeline.publish.publication import Published
from session_pipeline.run.pipeline import open_run, open_store
from session_pipeline.store import crash_points
from session_pipeline.tables.graph import Step
from session_pipeline_tests.crashes.killed_runs import Ended, KillAt, run_in_child
from session_pipeline_tests.crashes.power_loss import Lost, SimulatedDisk
from session_pipeline_tests.deployment import Deployment, damage, flipped
from session_pipeline_tests.machine import checks as machine_checks
from session_pipeline_tests.machine.expected_state import Mirror
from session_pipeline_tests.machine.file_contents import Content
from session_pipeline_tests.machine.options import DAYS, Options

PUT_BACK = "deliver it again under raw/"
KEPT_FOR_READERS = 3  # number of publications during which an open connection can still read its files
UNTIL = DAYS[-2]

Harm = Callable[[bytes], bytes | None]


def cut_short(data: bytes) -> bytes:
    """Return the first half of the bytes."""
    return data[: len(data) // 2]


def removed(data: bytes) -> None:
    """Return None: the file is removed."""


HARMS: tuple[Harm, ...] = (flipped, cut_short, removed)


class Machine:
    """A deployment and its expected state. An operation that is not possible in a state does nothing."""

    def __init__(self, folder: Path, prepare: Callable[[], None] | None = None) -> None:
        """Start with an empty deployment. Runs in other processes call `prepare` there first."""
        self.folder = folder
        self.mirror = Mirror()
        self.deployment = Deployment(folder / "data", self.mirror.options.settings)
        self.deployment.in_two_threads = True
        self.until = UNTIL
        self._prepare = prepare
        self._numbers = count(1)
        self._before = [self.mirror.options]
        self._damaged: set[Path] = set()
        self._read_by: Mapping[str, str] = {}
        self._shown: Mapping[str, machine_checks.Rows] | None = {}  # None: it was damaged
        self._readers: list[tuple[Path, int, Mapping[str, machine_checks.Rows]]] = []

    # Deliveries

    def deliver(self, content: Content, *, is_compressed: bool = False, name: str = "") -> str:
        """Write a file; an existing file of the same name is replaced."""
        name = name or f"file-{next(self._numbers)}"
        file = content.file_name(name, is_compressed=is_compressed)
        self._write(file, content.as_delivered(is_compressed=is_compressed))
        self.mirror.lying[file] = content
        return file

    def deliver_damaged(self, content: Content) -> str:
        """Write a compressed file that is cut short."""
        file = content.file_name(f"file-{next(self._numbers)}", is_compressed=True)
        self._write(file, content.as_delivered(is_compressed=True)[:-5])
        self.mirror.lying[file] = None
        return file

    def rename(self, file: str) -> str:
        """Rename a delivered file."""
        path = self._path(file)
        renamed = f"{Path(file).parent}/renamed-{next(self._numbers)}{''.join(path.suffixes)}"
        path.rename(self._path(renamed))
        self.mirror.lying[renamed] = self.mirror.lying.pop(file)
        return renamed

    def delete(self, file: str) -> None:
        """Delete a delivered file."""
        self._path(file).unlink()
        del self.mirror.lying[file]

    def replace(self, file: str, content: Content) -> None:
        """Replace the content of a delivered file by content of the same format."""
        self._write(file, content.as_delivered(is_compressed=file.endswith(".gz")))
        self.mirror.lying[file] = content

    # Settings

    def change(self, name: str, value: Any) -> None:
        """Change one option."""
        options = replace(self.mirror.options, **{name: value})
        if options.inactivity_minutes <= options.max_hours * 60:
            self._before.append(self.mirror.options)
            self._set(options)

    def change_back(self) -> None:
        """Undo the last change of an option."""
        self._set(self._before.pop() if len(self._before) > 1 else self._before[0])

    # Damage

    def damage_store(self, number: int, harm: Harm, table: str = "") -> None:
        """Damage a file of the store, either of one table or of any table."""
        with closing(open_store(self.deployment.folder)) as store:
            found = [part for key, part in sorted(store.partitions.items()) if table in ("", key.table)]
            if found:
                self._damage(store.path_of(found[number % len(found)]), harm)

    def damage_warehouse(self, harm: Harm) -> None:
        """Damage the warehouse; the next run rebuilds it."""
        path = self.deployment.folder.warehouse
        if path.is_file():
            harmed = harm(path.read_bytes())
            path.unlink() if harmed is None else path.write_bytes(harmed)
            self._shown = None
            self._readers.clear()

    def remove_lake(self) -> None:
        """Delete the lake."""
        shutil.rmtree(self.deployment.folder.lake, ignore_errors=True)

    # Runs

    def run(self, until: date | None = None) -> None:
        """Run to completion."""
        self.until = until or self.until
        self._putting_back(lambda: self.deployment.run(self.until))
        self._was_completed()

    def run_within_limits(self) -> None:
        """Run as a schedule tick does: at most one day is rebuilt for logic reasons alone; more days wait."""
        self._set(replace(self.mirror.options, max_rebuild_days=1))
        self._putting_back(lambda: self.deployment.run(self.until, upgrade=False))
        with open_run(self.deployment.folder, run_id="look", until=self.until) as run:
            is_outdated = bool(run.plan().outdated)
        if is_outdated:
            self.mirror.was_ingested()
            self._look_at_the_ledger()
            self._shown = self._rows_shown()
            self._check_any_moment()
        else:
            self._was_completed()

    def run_and_die(self, at: int | str, *, loses_power: bool = False) -> Ended:
        """Run up to a crash point and die there; with `loses_power`, also lose power.

        Args:
            at: The number (from 1) or the name of the crash point.
            loses_power: Whether writes that were not made durable are lost.
        """
        if not loses_power:
            ended = self._in_child(KillAt(at))
        else:
            folder, notes, rebuilt = self.deployment.folder.path, self.folder / "notes", self.folder / "rebuilt"
            disk = SimulatedDisk(folder, notes)
            ended = self._in_child(KillAt(at), disk)
            if ended.was_killed:
                disk.lose_power(rebuilt, Lost.NAMES)
                shutil.rmtree(folder)
                rebuilt.rename(folder)
            shutil.rmtree(notes)
        self._ended([ended])
        return ended

    def run_and_cancel(self, at: int | str) -> None:
        """Run up to a crash point, given by its number (from 1) or name, and be interrupted there."""
        passed = count(1)

        def interrupted(place: str) -> None:
            if at in (next(passed), place):
                raise KeyboardInterrupt(place)

        try:
            with patch.object(crash_points, "reached", interrupted):
                self.deployment.run(self.until)
        except KeyboardInterrupt:
            self._was_broken_off()
        except StoreError as error:
            self._put_back(error)
            self._was_broken_off()
        else:
            self._was_completed()

    def run_twice_at_once(self, at: int = 0) -> None:
        """Run two processes at once; one may be killed at a crash point."""
        with ThreadPoolExecutor(2) as both:
            ended = list(both.map(self._in_child, (KillAt(at), None)))
        self._ended(ended)

    def run_while_held(self) -> None:
        """Check that a run cannot begin while another process holds the store."""
        with closing(open_store(self.deployment.folder)) as store, store.writing():
            with pytest.raises(StoreHeldError), open_run(self.deployment.folder, run_id="other", wait_seconds=0):
                pass
            assert store.scratch.is_dir(), "the scratch folder of a run was swept by another"

    def build_days(self, days: set[date]) -> None:
        """Ingest, and build only some days."""
        self._putting_back(lambda: self.deployment.run(self.until, days=days))
        self.mirror.was_ingested()
        self._was_broken_off()

    def build_by_hand(self, step: Step, day: date) -> None:
        """Build a step's tables for a day, stale or not, as the UI does."""

        def build() -> None:
            with open_run(self.deployment.folder, run_id="hand", until=self.until) as run:
                if not step.is_daily or run.planner.frame.is_wanted(day):
                    run.build(step, (day if step.is_daily else None,), force=True)

        with closing(open_store(self.deployment.folder)) as store:
            is_begun = bool(store.catalog.source_files())
        if is_begun:
            self._putting_back(build)
            self._was_broken_off()

    def publish_by_hand(self) -> None:
        """Ingest, and try to publish at once: this must succeed only if nothing is stale."""

        def publish() -> None:
            with open_run(self.deployment.folder, run_id="hand", until=self.until) as run:
                run.ingest()
                published = run.publish()
                is_stale = not run.plan().is_empty and bool(run.plan().items)
            assert not (isinstance(published, Published) and is_stale), "published while something is stale"

        self._putting_back(publish)
        self.mirror.was_ingested()
        self._was_broken_off()

    def open_reader(self) -> None:
        """Keep the warehouse as a reader that opens it now would, like an open connection."""
        path = self.deployment.folder.warehouse
        if path.is_file() and self._shown is not None:
            kept = self.folder / f"reader-{next(self._numbers)}.duckdb"
            os.link(path, kept)
            self._readers.append((kept, self._publication_count(), self._rows_shown(kept)))

    def end(self) -> None:
        """Detect all damage, run, and compare with a clean run; a second run must then build nothing."""
        self._verify()
        self.run()
        machine_checks.equals_a_clean_run(self.deployment, self.mirror, self.until, self.folder / "clean")
        assert self.deployment.run(self.until) == [], "a second run builds something"

    # Checks

    def _was_completed(self) -> None:
        self.mirror.was_ingested()
        self._look_at_the_ledger()
        self._forget_mended()
        self._shown = self._rows_shown()
        self._check_any_moment()
        assert self.deployment.plan(self.until).is_empty, "something is stale after a run"
        spoiled = machine_checks.tables_with(self.deployment, self._damaged)
        if spoiled.isdisjoint(machine_checks.LEDGER):
            machine_checks.ledger_closes(self.deployment, self.mirror, self.until)
        machine_checks.tables_equal_the_oracle(self.deployment, self.mirror, self.until, spoiled)
        machine_checks.readers_see_the_store(self.deployment, spoiled)
        machine_checks.nothing_is_left_over(self.deployment)

    def _was_broken_off(self) -> None:
        before, now = self._read_by, self._look_at_the_ledger()
        read_again = {file_id for file_id, rules in now.items() if before.get(file_id) != rules}
        self.mirror.may_have_ingested(set(now), read_again)
        self._forget_mended()
        if self._shown is not None:
            shown = self._rows_shown()
            if shown != self._shown:
                # The run died after the rename. Then the warehouse has the rows of a state in which nothing was stale.
                spoiled = machine_checks.tables_with(self.deployment, self._damaged)
                now = machine_checks.store_rows(self.deployment, spoiled)
                for name, rows in now.items():
                    machine_checks.assert_equal(name, shown.get(name, rows), rows, "the warehouse", "the store")
                self._shown = shown
        self._check_any_moment()

    def _check_any_moment(self) -> None:
        machine_checks.store_is_whole(self.deployment, self.mirror, self._damaged)
        newest = self._publication_count()
        for kept, publication, rows in self._readers:
            if newest - publication <= KEPT_FOR_READERS:
                assert self._rows_shown(kept) == rows, "an open connection sees other rows than before"

    # Helpers

    def _in_child(self, kill: KillAt | None, disk: SimulatedDisk | None = None) -> Ended:
        prepare = partial(_call_all, [one for one in (self._prepare, kill) if one is not None])
        return run_in_child(self.deployment, self.until, prepare=disk.recorder(prepare) if disk else prepare)

    def _ended(self, ended: list[Ended]) -> None:
        for one in ended:
            if one.error is not None:
                self._put_back(one.error)
        if any(not one.was_killed and one.error is None for one in ended):
            self._was_completed()
        else:
            self._was_broken_off()

    def _putting_back(self, work: Callable[[], object]) -> None:
        try:
            work()
        except StoreError as error:
            self._put_back(error)
            work()

    def _put_back(self, error: StoreError | str) -> None:
        """Do what a run asks for when rows are damaged and their delivered file is gone: deliver the file again."""
        assert PUT_BACK in str(error), str(error)
        assert self._damaged, "rows of a file that is gone are damaged, and nobody damaged them"
        for content in self.mirror.gone:
            self.deliver(content)

    def _verify(self) -> None:
        with closing(open_store(self.deployment.folder)) as store, store.writing():
            for partition in [partition for partition, problem in store.verify() if problem]:
                store.mark_damaged(partition)

    def _damage(self, path: Path, harm: Harm) -> None:
        if path.is_file() and (data := path.read_bytes()):
            harmed = harm(data)
            path.unlink() if harmed is None else damage(path, harmed)
            self._damaged.add(path)
            self._readers.clear()  # views read the same files
            if self.mirror.options.has_views:
                self._shown = None

    def _look_at_the_ledger(self) -> Mapping[str, str]:
        """Return the accepted files, each with the hash of the settings it was read with."""
        with closing(open_store(self.deployment.folder)) as store:
            ledger = store.catalog.source_files().items()
        self._read_by = {file_id: item.fingerprint for file_id, item in ledger if item.facts["status"] == "accepted"}
        return self._read_by

    def _forget_mended(self) -> None:
        with closing(open_store(self.deployment.folder)) as store:
            wrong = {store.path_of(partition) for partition, problem in store.verify() if problem}
        self._damaged &= wrong

    def _rows_shown(self, path: Path | None = None) -> Mapping[str, machine_checks.Rows]:
        folder = self.deployment.folder
        return machine_checks.warehouse_rows(path or folder.warehouse, folder.store)

    def _publication_count(self) -> int:
        with closing(open_store(self.deployment.folder)) as store:
            return len(store.catalog.publications())

    def _set(self, options: Options) -> None:
        self.mirror.options = options
        self.until = max(self.until, options.start_date)
        self.deployment.set(options.settings)

    def _path(self, file: str) -> Path:
        return self.deployment.folder.raw / file

    def _write(self, file: str, data: bytes) -> None:
        path = self._path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _call_all(functions: list[Callable[[], None]]) -> None:
    for function in functions:
        function()

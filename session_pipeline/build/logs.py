"""Writes the logs: tables that record what each build changed in another table.

builder.py commits a log together with the build that it records.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from session_pipeline.build.planner import Planner
from session_pipeline.build.runner import LoggedDay, NewFile, StepRunner
from session_pipeline.store.records import Key, Partition, Written
from session_pipeline.store.store import Store
from session_pipeline.tables.graph import Log, Step
from session_pipeline.tables.parameters import Scalar
from session_pipeline.tables.steps import STEP_OF_TABLE


class Logs:
    """Writes the logs of one run."""

    def __init__(self, store: Store, planner: Planner, runner: StepRunner, run_id: str) -> None:
        """Take the store, the planner, the runner and the id of the run."""
        self._store = store
        self._planner = planner
        self._runner = runner
        self._run_id = run_id

    def write(
        self,
        log: Log,
        before: Mapping[date, Partition | None],
        files: Mapping[date | None, NewFile],
        hashes: Mapping[Key, str],
        causes: Mapping[date | None, tuple[str, ...]],
    ) -> list[Written]:
        """Write a log of the days that a build changes.

        Args:
            log: The log.
            before: The partitions before the build of the table that the log is about, by day; None if there was none.
            files: The new files of that table, by day.
            hashes: SHA-256 of all new files of the build.
            causes: The causes of the build, by day.

        Returns:
            The log's files of the days that get new rows.

        Raises:
            DamagedError: A file of another table or day that the log reads is damaged.
        """
        changed = [
            day
            for day, old in before.items()
            if (log.records_first_build if old is None else old.sha256 != hashes[Key(log.of, day)])
            # If the old file is damaged, the rows before the build are unknown.
            and (old is None or self._store.is_intact(old))
        ]
        if not changed:
            return []
        step = STEP_OF_TABLE[log.of]
        so_far = {day: self._store.get(Key(log.table, day)) for day in changed}
        # A log cannot be rebuilt, so a new one starts where the old one is damaged.
        usable = {day: old for day, old in so_far.items() if old is not None and self._store.is_intact(old)}
        inputs = {
            f"{log.table}_before": (log.table, self._paths(list(usable.values()))),
            f"{log.of}_before": (log.of, self._paths([before[day] for day in changed])),
            log.of: (log.of, [path for day in changed for path in files[day].paths]),
        }
        for name, what in log.inputs.items():
            read = sorted({other for day in changed for other in what.span.dates(self._planner.frame, day)})
            is_own = what.table == log.of
            stored = [self._store.get(Key(what.table, day)) for day in read if not (is_own and day in before)]
            new = [path for day in read if is_own and day in before and day not in changed for path in files[day].paths]
            self._store.check_intact(filter(None, stored))
            inputs[name] = what.table, [*self._paths(stored), *new]
        days = [LoggedDay(day, ", ".join(causes[day]), self._new_files(step, day, before[day])) for day in changed]
        parameters: dict[str, Scalar] = {
            "changed_at": datetime.now(UTC).replace(tzinfo=None),
            "run_id": self._run_id,
        }
        written = self._runner.run_log(log, days, inputs, parameters)
        return [
            Written(Key(log.table, day), new_file.path, new_file.row_count, fingerprint="", reason="a change")
            for day, new_file in written.items()
            if day is not None and new_file.row_count > (usable[day].row_count if day in usable else 0)
        ]

    def _new_files(self, step: Step, day: date, old: Partition | None) -> list[str]:
        """Return the ids of delivered files read after a day was built that have events of it or of the day before."""
        if old is None:
            return []
        days = (day, self._planner.frame.calendar.previous(day))
        return sorted(
            {
                each.key.file_id
                for other in days
                for found in self._planner.inputs.of(step, (other,)).values()
                for each in found
                if isinstance(each, Partition) and each.key.file_id and each.generation > old.generation
            }
        )

    def _paths(self, partitions: Sequence[Partition | None]) -> list[Path]:
        return [path for partition in partitions if partition is not None for path in self._store.paths_of(partition)]

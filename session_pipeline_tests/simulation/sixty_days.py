"""Runs sixty simulated days with only the schedule and the sensors, and prints a diary.

`python -m session_pipeline_tests.simulation.sixty_days` does what Dagster's daemon does: it ticks, keeps cursors and
launches the requested runs, at the hours at which something can happen. What happens to the shop is in shop_events.py.
"""

import json
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import duckdb
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._utils.schedules import schedule_execution_time_iterator

from session_pipeline.defs import home
from session_pipeline.defs.dead_runs import PROCESS, signature
from session_pipeline.defs.deployment import make_definitions
from session_pipeline.errors import SettingsError
from session_pipeline_tests.crashes.killed_runs import run_in_child
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.orchestration import QUIET, failures
from session_pipeline_tests.simulation.shop_events import (
    DAYS,
    EXPECTED,
    GOOD,
    HOME,
    SETTINGS,
    Arrives,
    Breaks,
    Deploys,
    Happening,
    agenda,
    day,
    moment,
)
from session_pipeline_tests.simulation.simulated_clock import Clock, set_for_good, simulated

SMALL_FILE = 64 * 1024  # bytes; a run writes larger files
CRASH_AT = 60  # in the middle of a build
ROUNDS = 12


@dataclass
class Entry:
    """One day of the diary."""

    number: int
    happened: list[str] = field(default_factory=list)
    ran: Counter[str] = field(default_factory=Counter)
    alerts: list[dict[str, Any]] = field(default_factory=list)

    def __str__(self) -> str:
        ran = ", ".join(f"{count} {what}" for what, count in self.ran.items()) or "nothing"
        alerts = "".join(f"\n    ALERT {alert['about']}: {alert['sentence']}" for alert in self.alerts)
        happened = "".join(f"\n    {what}" for what in self.happened)
        return f"day {self.number:2} {day(self.number):%a %d %b}: ran {ran}{happened}{alerts}"


class Simulation:
    """Plays the daemon, and records what it sees.

    Attributes:
        delivered: All content that arrived complete, with its path at that time.
        published: Each state that readers saw: its generation and its last day.
        skipped_ticks: The times at which a sensor did nothing because of unusable settings.
        failed_ticks: The times at which a sensor could not be evaluated.
    """

    def __init__(self, folder: Path, clock: Clock, on_day: Callable[[Entry], None]) -> None:
        self.clock = clock
        self.on_day = on_day
        self._heard = folder / "heard.jsonl"
        self.deployment = Deployment(folder / "data", self.with_alerts(GOOD))
        home.prepare(self.deployment.folder)
        self.instance = dg.DagsterInstance.ephemeral(tempdir=str(folder / "dagster"))
        self.delivered: list[Arrives] = []
        self.published: list[tuple[int, date]] = []
        self.alerts: list[dict[str, Any]] = []
        self.skipped_ticks: list[datetime] = []
        self.failed_ticks: list[datetime] = []
        self.tick_count = 0
        self._cursors: dict[str, str | None] = {}
        self._broken: set[str] = set()
        self._again: datetime | None = None  # when to evaluate a waiting sensor again
        self._entry = Entry(1)
        self._load()

    def with_alerts(self, settings: dict[str, Any]) -> dict[str, Any]:
        return {**settings, "alerts": {"command": ["/bin/sh", "-c", f"cat >> '{self._heard}'"]}}

    def run(self) -> None:
        """Run from the first day to noon after the last."""
        happenings = agenda()
        now, end = moment(1, "00:00"), moment(DAYS + 1, "12:00")
        while True:
            due = next(self._schedule_times(now + timedelta(seconds=1)))
            now = min(filter(None, (due, self._again, happenings[0][0] if happenings else None)))
            if now > end:
                break
            self._turn_pages(now)
            self.clock.set(max(now, datetime.now(UTC)))
            is_due = now == due
            while happenings and happenings[0][0] == now:
                is_due |= self._happens(happenings.pop(0)[1])
            if "daemon" in self._broken:
                self._again = None
                continue
            if is_due:
                self._tick_schedule(now)
            self._tick_sensors()
            self._read_as_readers_do()
        self.on_day(self._entry)

    def _turn_pages(self, now: datetime) -> None:
        while day(self._entry.number) < now.astimezone(HOME).date():
            self.on_day(self._entry)
            self._entry = Entry(self._entry.number + 1)

    def _happens(self, happening: Happening) -> bool:
        """Apply a happening; returns whether the schedule catches up on a missed tick."""
        self._entry.happened.append(f"{datetime.now(HOME):%H:%M} {happening}")
        match happening:
            case Arrives():
                path = self.deployment.folder.raw / happening.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(happening.data)
                self.delivered += [happening] if happening.form != "cut" else []
            case Deploys(settings):
                self.deployment.set(self.with_alerts(SETTINGS[settings]))
                self._load()
            case Breaks(what, is_over=True):
                self._broken.remove(what)
                limit_files(resource.RLIM_INFINITY)
                return what == "daemon"
            case Breaks(what):
                self._broken.add(what)
                if what == "disk":
                    limit_files(SMALL_FILE)
        return False

    def _load(self) -> None:
        """Start the code location. With unusable settings the previous one continues."""
        try:
            self._repository = make_definitions(self.deployment.folder).get_repository_def()
        except SettingsError:
            self._entry.happened.append("the code location cannot be started again, and goes on")

    def _schedule_times(self, start: datetime) -> Iterator[datetime]:
        schedule = self._repository.get_schedule_def("daily")
        return schedule_execution_time_iterator(start.timestamp(), schedule.cron_schedule, schedule.execution_timezone)

    def _tick_schedule(self, at: datetime) -> None:
        self.tick_count += 1
        with dg.build_schedule_context(self.instance, at, repository_def=self._repository) as context:
            tick = self._repository.get_schedule_def("daily").evaluate_tick(context)
        for request in tick.run_requests or []:
            self._execute("ingest", request)

    def _tick_sensors(self) -> None:
        """Tick until no run is requested. If something waits or failed, tick again in an hour."""
        for _ in range(ROUNDS):
            self.clock.go_on(timedelta(minutes=1))
            waits = [not self._run_what_is_asked(name) for name in ("landing", "stale_days")]
            self._tick("alerts")
            self._hear()
            if all(waits):
                break
        else:
            raise AssertionError(f"day {self._entry.number}: the sensors find no rest")
        self._again = datetime.now(UTC) + timedelta(hours=1) if self._is_waiting else None

    def _run_what_is_asked(self, name: str) -> bool:
        tick = self._tick(name)
        requests = (tick.run_requests or []) if tick else []
        for request in requests:
            self._execute({"landing": "ingest", "stale_days": "build"}[name], request)
        said = (tick.skip_message or "") if tick else "it failed"
        self._is_waiting = (name != "landing" and self._is_waiting) or any(
            word in said for word in ("failed", "after", "until", "waits")
        )
        return bool(requests)

    def _tick(self, name: str) -> SensorExecutionData | None:
        """Evaluate a sensor as the daemon does: if it fails, its cursor stays unchanged."""
        self.tick_count += 1
        sensor = self._repository.get_sensor_def(name)
        with dg.build_sensor_context(
            instance=self.instance, cursor=self._cursors.get(name), repository_def=self._repository
        ) as context:
            try:
                tick = sensor.evaluate_tick(context)
            except Exception as error:
                self.failed_ticks.append(datetime.now(HOME))
                self._entry.ran[f"failed ticks of {name} ({type(error).__name__})"] += 1
                return None
        if str(self.deployment.folder.settings) in (tick.skip_message or ""):
            self.skipped_ticks.append(datetime.now(HOME))
        self._cursors[name] = tick.cursor
        return tick

    def _execute(self, job: str, request: dg.RunRequest) -> None:
        if job == "build" and "run" in self._broken:
            self._broken.remove("run")
            self._kill_half_way(job, request)
            return
        result = self._repository.get_job(job).execute_in_process(
            instance=self.instance,
            run_config=QUIET,
            tags=request.tags,
            asset_selection=list(request.asset_selection) if request.asset_selection else None,
            raise_on_error=False,
        )
        self._entry.ran[job if result.success else f"failed {job} ({failures(result)[0].partition(';')[0]:.90})"] += 1

    def _kill_half_way(self, job: str, request: dg.RunRequest) -> None:
        """Start the run and kill its process; the run history still lists it as running."""
        ended = run_in_child(self.deployment, crash_at=CRASH_AT, prepare=partial(set_for_good, datetime.now(UTC)))
        assert ended.was_killed, ended
        run_id = str(uuid4())
        process, _, _ = signature(run_id)[PROCESS].rpartition("/")
        gone = f"{process}0/{run_id}"  # same process number, another start time
        started = dg.DagsterRun(
            job_name=job, run_id=run_id, status=dg.DagsterRunStatus.STARTED, tags={**request.tags, PROCESS: gone}
        )
        self.instance.add_run(started)
        self._entry.ran[f"killed {job} (at '{ended.places[-1]}')"] += 1

    def _hear(self) -> None:
        if not self._heard.exists():
            return
        news = [json.loads(line) for line in self._heard.read_text().splitlines()]
        self._heard.unlink()
        self._entry.alerts += news
        self.alerts += [{**alert, "day": self._entry.number} for alert in news]

    def _read_as_readers_do(self) -> None:
        warehouse = self.deployment.folder.warehouse
        if not warehouse.exists():
            return
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            found = connection.execute("select generation, data_until from warehouse_info").fetchone()
        assert found is not None
        if self.published[-1:] != [found]:
            self.published.append(found)


def limit_files(byte_count: int) -> None:
    """Limit the size of all files that this process writes, to simulate a full disk."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (byte_count, most))


@contextmanager
def simulation_in(folder: Path, on_day: Callable[[Entry], None]) -> Iterator[Simulation]:
    """Yield a simulation before its first day; the clock is simulated inside the context."""
    try:
        with simulated(moment(1, "00:00")) as clock:
            yield Simulation(folder, clock, on_day)
    finally:
        limit_files(resource.RLIM_INFINITY)


def main() -> int:
    """Run all days and print the diary; the exit code is 0 if exactly the correct alerts were sent, each once."""
    with tempfile.TemporaryDirectory() as folder, simulation_in(Path(folder), partial(print, flush=True)) as simulation:
        simulation.run()
    sent = [(alert["day"], alert["what"], alert["about"]) for alert in simulation.alerts]
    print(
        f"{DAYS} days, {simulation.tick_count} ticks, {len(sent)} alerts; as they should be: {sent == list(EXPECTED)}"
    )
    return int(sent != list(EXPECTED))


if __name__ == "__main__":
    sys.exit(main())

"""Sends each alert once to the command in the settings, as JSON on its standard input.

The alerts sent so far are recorded in a file next to the run history. The record survives a restart, and the command
line and the sensor share it. defs/alerts.py finds the alerts in Dagster's run history.
"""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic, time
from typing import Any

from pydantic import TypeAdapter

from session_pipeline.settings import AlertSettings
from session_pipeline.store.files import replacing

PAUSES = (60, 600, 3600, 6 * 3600)  # seconds, at least, between the attempts to send an alert; then it is dropped
MOST_REMEMBERED = 200  # problems per job or check; the oldest are dropped
DAY = re.compile(r"(\d{4}-\d\d-\d\d)(, .*)?: ")  # prefix of a problem of one day, or of a site on that day
Cursor = int | list[float]  # JSON
LOOK_SECONDS = 30.0  # after this time no further command is started: Dagster ends a sensor after a minute


@dataclass(frozen=True)
class Alert:
    """An alert: what is sent to the command.

    Attributes:
        what: run_failed, check_failed or check_warned.
        about: The job or the check.
        sentence: What is wrong.
        facts: Where and when: data folder, job, run, days, table, severity, time.
        problems: The single problems, or texts that identify them; each is sent once. A problem of one day begins with
            its date. If empty, the sentence is the only problem.
    """

    what: str
    about: str
    sentence: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    problems: Sequence[str] = ()


@dataclass(frozen=True)
class Passed:
    """A check that passed, or a job that succeeded. It ends earlier problems, so they are sent again if they recur.

    Attributes:
        about: The job or the check.
        first_day: The first day that was checked. None if no particular days were checked; problems of days then go on.
        last_day: The last day that was checked. Problems of days outside the range go on.
    """

    about: str
    first_day: str | None = None
    last_day: str | None = None

    def ends(self, problem: str) -> bool:
        """Whether this result ends a problem that was sent."""
        day = DAY.match(problem)
        if day is None:
            return True
        return self.first_day is not None and self.last_day is not None and self.first_day <= day[1] <= self.last_day


@dataclass
class _State:
    """The record that is kept between two looks at the run history.

    Attributes:
        cursor: The position in the run history up to which it was read, as `events_since` wrote it.
        open: The problems of each job and check that were queued or sent and have not ended.
        waiting: Alerts that were not sent yet, each with its number of attempts and the earliest time of the next one.
    """

    cursor: Cursor | None = None
    open: dict[str, list[str]] = field(default_factory=dict)
    waiting: list[dict[str, Any]] = field(default_factory=list)


def send_new(
    folder: Path,
    settings: AlertSettings,
    events_since: Callable[[Cursor | None], tuple[Iterable[Alert | Passed], Cursor]],
    log: Callable[[str], None],
) -> int:
    """Send every alert that is new since the last look. Never raises; errors are logged.

    At the very first look the history may be long. Only problems that have not ended by its end are sent then.

    Args:
        folder: The folder of the record.
        settings: The command; without one this function does nothing.
        events_since: Returns what happened after a cursor (None: from the beginning), in order of time, and the next
            cursor.
        log: Logs a sentence if the command or the search failed.

    Returns:
        The number of alerts sent.
    """
    if not settings.command:
        return 0
    try:
        with _locked(folder) as path:
            state = _read(path)
            is_first = state.cursor is None
            happened, cursor = events_since(state.cursor)
            if cursor != state.cursor:
                _take(state, happened, only_lasting=is_first)
                state.cursor = cursor
                _write(path, state)
            return _send(path, state, settings, log)
    except Exception as error:  # an error here must not fail the caller's run
        log(f"could not look for new alerts: {type(error).__name__}: {error}")
        return 0


def _take(state: _State, happened: Iterable[Alert | Passed], *, only_lasting: bool) -> None:
    """Queue the alerts that are new, and forget the problems that have ended.

    With `only_lasting`, alerts whose problems have all ended are not sent.
    """
    for one in happened:
        before = state.open.get(one.about, [])
        if isinstance(one, Passed):
            lasting = state.open[one.about] = [problem for problem in before if not one.ends(problem)]
            if only_lasting:
                state.waiting = [
                    each
                    for each in state.waiting
                    if each["about"] != one.about or not set(lasting).isdisjoint(each["problems"])
                ]
            continue
        problems = one.problems or (one.sentence,)
        new = [problem for problem in problems if problem not in before]
        if new:
            state.open[one.about] = [*before, *new][-MOST_REMEMBERED:]
            sentence = one.sentence if len(new) == len(problems) else "; ".join(new)
            facts = {"what": one.what, "about": one.about, "sentence": sentence, **one.facts}
            state.waiting.append({"about": one.about, "problems": new, "attempts": 0, "alert": facts})


def _send(path: Path, state: _State, settings: AlertSettings, log: Callable[[str], None]) -> int:
    until = monotonic() + LOOK_SECONDS
    sent_count = 0
    for waiting in list(state.waiting):
        if monotonic() >= until:
            break
        if 0 < waiting.get("not_before", 0) - time() <= max(PAUSES):  # more only if the clock was set back
            continue
        problem = run_command(settings.command, waiting["alert"], settings.time_limit_seconds)
        waiting["attempts"] += 1
        if problem is None or waiting["attempts"] > len(PAUSES):
            state.waiting.remove(waiting)
        else:
            waiting["not_before"] = time() + PAUSES[waiting["attempts"] - 1]
        # Written after each alert: if the process dies before this line, only the present alert is sent again.
        _write(path, state)
        if problem is None:
            sent_count += 1
            continue
        again = "it will be sent again" if waiting in state.waiting else f"given up after {len(PAUSES) + 1} attempts"
        log(f"[alerts] command {problem}; the alert is: {waiting['alert']['sentence']} ({again})")
    return sent_count


def missing_program(command: Sequence[str]) -> str | None:
    """Return a sentence if the program of a command does not exist here or cannot be executed; else None."""
    if not command:
        return None
    if "/" in command[0] and not os.path.isabs(command[0]):
        return f"the program {command[0]} depends on the folder that a run is started in; write its whole path"
    if shutil.which(command[0]):
        return None
    wrong = "cannot be executed" if os.path.exists(command[0]) else "does not exist"
    return f"the program {command[0]} {wrong} on this machine, so no alert can be sent; install it or correct the path"


def run_command(command: Sequence[str], alert: Mapping[str, Any], time_limit_seconds: int) -> str | None:
    """Send an alert to a command, as JSON on its standard input; return what went wrong, or None.

    The command runs without a shell, and no part of the alert is passed as an argument.
    """
    # Files instead of pipes: a pipe ends only when each process that the program left running has closed it.
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as printed:
        given.write((json.dumps(alert, default=str) + "\n").encode())
        given.seek(0)
        try:
            process = subprocess.Popen(
                command, stdin=given, stdout=printed, stderr=subprocess.STDOUT, start_new_session=True
            )
        except OSError as error:
            return f"cannot be started ({error})"
        try:
            code = process.wait(time_limit_seconds)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return f"took longer than {time_limit_seconds} s and was stopped"
        if code == 0:
            return None
        printed.seek(0)
        last = printed.read().decode(errors="replace").strip().splitlines()[-1:]
        return f"ended with {code}{': ' + last[0][:200] if last else ''}"


@contextmanager
def _locked(folder: Path) -> Iterator[Path]:
    """Lock the record, so that only one process looks at a time; yield the record's path."""
    with (folder / "alerts.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder / "alerts.json"


def _read(path: Path) -> _State:
    """Return the record; a new one if there is none, or if it is damaged: then start again, as at the first look."""
    try:
        return TypeAdapter(_State).validate_json(path.read_bytes(), strict=True)
    except (FileNotFoundError, ValueError):
        return _State()


def _write(path: Path, state: _State) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(asdict(state), indent=1, default=str) + "\n")

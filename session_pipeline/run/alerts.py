"""Alarms: each is told once to a command of the settings, as JSON on its standard input.

What was told is kept in a file beside the history of runs, so that it outlives a restart, and whoever looks next (the
command line, the sensor) goes on from there. Knows alarms, the file and the command. Does not know Dagster, nor what
is wrong with a run.
"""

import fcntl
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from session_pipeline.settings import AlertSettings
from session_pipeline.store.files import sync_file, sync_folder

MOST_ATTEMPTS = 3  # an alarm is given up when the command failed so often
MOST_REMEMBERED = 200  # problems of one job or check; the oldest are forgotten
DAY = re.compile(r"(\d{4}-\d\d-\d\d): ")  # how a problem of one day begins
LOOK_SECONDS = 30.0  # no further command is started after so long: Dagster ends a sensor after a minute


@dataclass(frozen=True)
class Alarm:
    """What a command is told.

    Attributes:
        what: run_failed, check_failed or check_warned.
        about: The job, or the check.
        sentence: What is wrong.
        facts: Where and when: data folder, job, run, days, table, severity, time.
        problems: What it is made of, or known by; each is told once. One of a day begins with it. None: the sentence.
    """

    what: str
    about: str
    sentence: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    problems: Sequence[str] = ()


@dataclass(frozen=True)
class Well:
    """A check that holds, or a job that succeeded: what was said of it before can be said again.

    Attributes:
        about: The job, or the check.
        first_day: The first day that was looked at; of other days nothing is known. None: of no day in particular.
        last_day: The last one.
    """

    about: str
    first_day: str | None = None
    last_day: str | None = None

    def ends(self, problem: str) -> bool:
        """Whether a problem that was told is over by it."""
        day = DAY.match(problem)
        if day is None:
            return True
        return self.first_day is not None and self.last_day is not None and self.first_day <= day[1] <= self.last_day


@dataclass
class _State:
    """What is kept between looks.

    Attributes:
        cursor: How far the history of runs was looked at.
        told: For each job and check, the problems that were told since it was well in what they are about.
        waiting: Alarms that were not told yet, each with how often it was tried.
    """

    cursor: int | None = None
    told: dict[str, list[str]] = field(default_factory=dict)
    waiting: list[dict[str, Any]] = field(default_factory=list)


def look(
    folder: Path,
    settings: AlertSettings,
    news: Callable[[int | None], tuple[Iterable[Alarm | Well], int]],
    say: Callable[[str], None],
) -> int:
    """Tell every alarm that is new since the last look; returns how many were told. Raises nothing that it meets.

    At the very first look the history may be long: only what is not well at its end is told then.

    Args:
        folder: Where the state is kept.
        settings: The command; without one nothing is looked at.
        news: What happened after a cursor (None: ever), in its order, and the next cursor.
        say: Takes a sentence for the log, when the command failed.
    """
    if not settings.command:
        return 0
    try:
        with _held(folder) as path:
            state = _read(path)
            is_first = state.cursor is None
            happened, cursor = news(state.cursor)
            if cursor != state.cursor:
                _take(state, happened, only_lasting=is_first)
                state.cursor = cursor
                _write(path, state)
            return _tell(path, state, settings, say)
    except Exception as error:  # whatever it is, the run that is looked at goes on
        say(f"alarms could not be looked for: {type(error).__name__}: {error}")
        return 0


def _take(state: _State, happened: Iterable[Alarm | Well], *, only_lasting: bool) -> None:
    """Queue the alarms that are new."""
    for one in happened:
        told = state.told.get(one.about, [])
        if isinstance(one, Well):
            state.told[one.about] = [problem for problem in told if not one.ends(problem)]
            if only_lasting:
                state.waiting = [each for each in state.waiting if each["about"] != one.about]
            continue
        problems = one.problems or (one.sentence,)
        new = [problem for problem in problems if problem not in told]
        if new:
            state.told[one.about] = [*told, *new][-MOST_REMEMBERED:]
            sentence = one.sentence if len(new) == len(problems) else "; ".join(new)
            facts = {"what": one.what, "about": one.about, "sentence": sentence, **one.facts}
            state.waiting.append({"about": one.about, "attempts": 0, "alarm": facts})


def _tell(path: Path, state: _State, settings: AlertSettings, say: Callable[[str], None]) -> int:
    until = monotonic() + LOOK_SECONDS
    told = 0
    for waiting in list(state.waiting):
        if monotonic() >= until:
            break
        problem = run_command(settings.command, waiting["alarm"], settings.time_limit_seconds)
        waiting["attempts"] += 1
        if problem is None or waiting["attempts"] >= MOST_ATTEMPTS:
            state.waiting.remove(waiting)
        # After each one: who dies here tells the one at hand again, and no other.
        _write(path, state)
        if problem is None:
            told += 1
            continue
        again = "it is tried again" if waiting in state.waiting else f"it was given up after {MOST_ATTEMPTS} times"
        say(f"[alerts] command {problem}; what it was to tell: {waiting['alarm']['sentence']} ({again})")
    return told


def run_command(command: Sequence[str], alarm: Mapping[str, Any], time_limit_seconds: int) -> str | None:
    """Give an alarm to a command, as JSON on its standard input; returns what went wrong, or None.

    No shell is in between, and nothing of the alarm is an argument.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        return f"cannot be started ({error})"
    try:
        said, _ = process.communicate((json.dumps(alarm, default=str) + "\n").encode(), timeout=time_limit_seconds)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return f"took longer than {time_limit_seconds} s and was stopped"
    if process.returncode:
        last = said.decode(errors="replace").strip().splitlines()[-1:]
        return f"ended with {process.returncode}{': ' + last[0][:200] if last else ''}"
    return None


@contextmanager
def _held(folder: Path) -> Iterator[Path]:
    """One look at a time, whoever looks."""
    with (folder / "alerts.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder / "alerts.json"


def _read(path: Path) -> _State:
    try:
        return _State(**json.loads(path.read_text()))
    except FileNotFoundError:
        return _State()
    except (ValueError, TypeError):
        return _State()  # not what was written: as at the first look


def _write(path: Path, state: _State) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(json.dumps(asdict(state), indent=1, default=str) + "\n")
    sync_file(temporary)
    os.replace(temporary, path)
    sync_folder(path.parent)

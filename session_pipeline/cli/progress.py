"""Shows the progress of a command on standard error: a bar on a terminal, otherwise one line for each stage.

The commands define the stages. The progress of a pipeline run comes through the callbacks of `run.outcome`.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from rich import progress as rich_progress
from rich.console import Console

from session_pipeline.build.builder import Built
from session_pipeline.cli.screen import console, counted, plain, stderr
from session_pipeline.run.outcome import Progress
from session_pipeline.tables.graph import Step


class Stages:
    """The stages of a command, shown one after the other."""

    def __init__(self, screen: Console, bars: rich_progress.Progress | None) -> None:
        """Draw into `bars`, or print lines on `screen` if `bars` is None."""
        self._screen = screen
        self._bars = bars
        self._done = 0
        self._total = 0
        self._task = bars.add_task("", total=None, now="", visible=False) if bars else None

    def begin(self, stage: str, total: int | None = None, noun: str = "step") -> None:
        """Begin a stage of `total` steps."""
        self._done, self._total = 0, total or 0
        if self._bars is not None and self._task is not None:
            self._bars.reset(self._task, description=stage, total=total, now="", visible=True)
        else:
            self.note(f"{stage}: {counted(total, noun)}" if total is not None else stage)

    def show(self, done: int, now: str) -> None:
        """Show how many steps are done and the name of the current item."""
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=done, now=plain(now))

    def advance(self, now: str) -> None:
        """Count one more finished step and show its name."""
        self._done += 1
        self.show(self._done, now if self._done < self._total else "checks, publishing")

    def note(self, sentence: str) -> None:
        """Print a line that stays on the screen."""
        self._screen.print(sentence, soft_wrap=True)


@contextmanager
def stages() -> Iterator[Stages]:
    """Show stages while a command works; the bars disappear at the end."""
    with _screen() as screen:
        if not screen.is_terminal:
            yield Stages(screen, None)
            return
        with _bars(screen) as bars:
            yield Stages(screen, bars)


@contextmanager
def _screen() -> Iterator[Console]:
    """Yield a console on a copy of standard error, because Dagster redirects it to a log file in each step."""
    try:
        descriptor = os.dup(sys.stderr.fileno())
    except OSError:  # tests have no descriptor
        yield stderr
        return
    with os.fdopen(descriptor, "w", encoding=sys.stderr.encoding, errors=sys.stderr.errors) as file:
        yield console(file=file, like=stderr)


def _bars(screen: Console) -> rich_progress.Progress:
    columns = (
        rich_progress.TextColumn("{task.description}", markup=False),
        rich_progress.BarColumn(bar_width=24),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TimeElapsedColumn(),
        rich_progress.TextColumn("{task.fields[now]}", style="dim", markup=False),
    )
    return rich_progress.Progress(*columns, console=screen, transient=True)


def of_run(shown: Stages) -> Progress:
    """Return the callbacks that show the progress of a pipeline run."""

    def on_file(done: int, total: int, name: str) -> None:
        if done == 0:
            shown.begin("Reading", total, "file")
        shown.show(done, name)

    def on_build(step: Step, day: date | None, built: Built) -> None:
        shown.advance(f"{step.name} {day or ''}")

    return Progress(on_file, on_build, shown.note)

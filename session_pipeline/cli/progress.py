"""How far a command is: a bar on a terminal, a line for each stage elsewhere. All of it on standard error.

Knows rich's bars and the pipeline's watcher. Does not know what the stages do.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from session_pipeline.build import Built
from session_pipeline.cli.screen import counted, err, plain
from session_pipeline.pipeline import Watcher, watcher
from session_pipeline.steps import Step


class Stages:
    """The stages of a command, one after the other."""

    def __init__(self, bars: Progress | None) -> None:
        """Draw into some bars, or print lines when there are none."""
        self._bars = bars
        self._task = bars.add_task("", total=None, now="", visible=False) if bars else None

    def begin(self, stage: str, total: int | None = None, noun: str = "step") -> None:
        """Begin a stage of so many steps."""
        if self._bars is not None and self._task is not None:
            self._bars.reset(self._task, description=stage, total=total, now="", visible=True)
        else:
            err.print(f"{stage}: {counted(total, noun)}" if total is not None else stage, soft_wrap=True)

    def show(self, done: int, now: str) -> None:
        """Say how many steps are done, and what is at hand."""
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=done, now=plain(now))

    def note(self, sentence: str) -> None:
        """Say something that stays on the screen."""
        err.print(sentence, soft_wrap=True)


@contextmanager
def stages() -> Iterator[Stages]:
    """Show stages while a command works; bars are gone when it ends."""
    if not err.is_terminal:
        yield Stages(None)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[now]}", style="dim", markup=False),
    )
    with Progress(*columns, console=err, transient=True) as bars:
        yield Stages(bars)


@contextmanager
def watching(shown: Stages) -> Iterator[None]:
    """Show the runs of the pipeline that go on meanwhile."""
    built_count = 0

    def on_file(done: int, total: int, name: str) -> None:
        if done == 0:
            shown.begin("Reading", total, "file")
        shown.show(done, name)

    def on_build(step: Step, day: date | None, built: Built) -> None:
        nonlocal built_count
        built_count += 1
        shown.show(built_count, f"{step.name} {day or ''}")

    token = watcher.set(Watcher(on_file, on_build, shown.note))
    try:
        yield
    finally:
        watcher.reset(token)

"""How things look on a terminal: the two streams, tables, numbers, days, values.

Knows rich. Does not know what is shown.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import IO, Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 200  # where there is no terminal whose width could be asked for

CONTROL_CHARACTERS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")  # all but the line feed
STEERING_IN_JSON = re.compile(r"[\x7f-\x9f]")  # what JSON allows as it is, and a terminal obeys


class SafeConsole(Console):
    """A console that data cannot steer: of what is printed, only rich's own codes reach the terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Render with a space for each control character of the text."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(harmless(segment.text), segment.style)


def harmless(text: str) -> str:
    """Text with a space for each control character but the line feed."""
    return CONTROL_CHARACTERS.sub(" ", text)


def console(*, to_errors: bool = False, file: IO[str] | None = None, like: Console | None = None) -> SafeConsole:
    """A console for data, which may hold anything, also what looks like markup.

    Args:
        to_errors: Whether it prints on standard error.
        file: Where it prints instead.
        like: Another console, whose width it has and which says whether the file is a terminal.
    """
    stream = sys.stderr if to_errors else sys.stdout
    return SafeConsole(
        file=file,
        stderr=to_errors,
        highlight=False,
        markup=False,
        emoji=False,
        width=like.width if like else None if stream.isatty() else PIPE_WIDTH,
        force_terminal=like.is_terminal if like else None,
    )


out = console()
err = console(to_errors=True)


def say(text: str | Text = "", style: str = "") -> None:
    """Print a line on standard output; the terminal wraps it."""
    out.print(text, style=style, soft_wrap=True)


def say_json(value: Any) -> None:
    """Print a value as JSON on standard output."""
    sys.stdout.write(json_text(value, sys.stdout, indent=2) + "\n")


def json_text(value: Any, file: IO[str], indent: int | None = None) -> str:
    """A value as JSON that the file's encoding can hold, and that steers no terminal."""
    is_unicode = (getattr(file, "encoding", None) or "utf-8").lower().startswith("utf")
    text = json.dumps(value, default=as_json, indent=indent, ensure_ascii=not is_unicode)
    return STEERING_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def as_json(value: Any) -> Any:
    """What JSON has no form of its own for: decimals become numbers, all else text."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)


def grid(*columns: tuple[str, str], rows: Iterable[Sequence[str | Text]] = (), indent: int = 0) -> Table:
    """A table without lines. A column is its heading and "left" or "right"."""
    table = Table(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_header=any(name for name, _ in columns)
    )
    if indent:
        table.add_column("", width=indent - 2)
    for name, justify in columns:
        table.add_column(name, justify="right" if justify == "right" else "left", overflow="fold")
    for row in rows:
        table.add_row(*([""] if indent else []), *row)
    return table


def ruled(
    headings: Sequence[str], numeric: Sequence[bool], folds: Sequence[bool], rows: Iterable[Sequence[Text]]
) -> Table:
    """A table with a line under its head; only columns that fold give way where the screen is narrow."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    for heading, is_numeric, is_folded in zip(headings, numeric, folds, strict=True):
        table.add_column(heading, justify="right" if is_numeric else "left", no_wrap=not is_folded, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def plain(value: object) -> str:
    """A value as text on one line, without anything that could steer the terminal."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal) and value.is_finite():
        return f"{value.normalize():f}"
    return "".join(char if char.isprintable() else " " for char in str(value))


def number(count: int) -> str:
    """A whole number with its thousands apart."""
    return f"{count:,}"


def counted(count: int, noun: str) -> str:
    """A number and what it counts: 1 file, 2 files."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def share(part: int, whole: int) -> str:
    """A share in percent; empty of nothing."""
    return f"{part / whole:.1%}" if whole else ""


def size(byte_count: int) -> str:
    """A size as people say it."""
    value = float(byte_count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def span(seconds: float) -> str:
    """A length of time, in its two largest units."""
    whole = round(seconds)
    if seconds < 10 and seconds != whole:
        return f"{seconds:.1f} s"
    for unit, length, below, below_length in (("d", 86_400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= length:
            rest = whole % length // below_length
            return f"{whole // length} {unit} {rest} {below}" if rest else f"{whole // length} {unit}"
    return f"{whole} s"


def ago(then: datetime, now: datetime) -> str:
    """How long ago something was."""
    return f"{span((now - then).total_seconds())} ago"


def day_ranges(days: Iterable[date]) -> str:
    """Days as people say them: 2026-10-05 to 2026-10-11, 2026-10-20."""
    ranges: list[list[date]] = []
    for day in sorted(days):
        if ranges and day - ranges[-1][-1] == timedelta(days=1):
            ranges[-1] = [ranges[-1][0], day]
        else:
            ranges.append([day])
    shown = [" to ".join(map(str, found)) for found in ranges]
    return ", ".join(shown) if len(shown) <= 3 else f"{shown[0]}, ..., {shown[-1]} ({len(shown)} stretches)"

"""Terminal output for all commands: the two streams, tables, and the format of numbers, days and values.

What is printed is decided by the commands; the rows of a query are formatted in `cli.rows`.
"""

import json
import math
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import IO, Any, Literal, NoReturn

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 200  # used if the output is not a terminal
LONGEST_TEXT = 120

CONTROL_CHARACTERS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")  # all except the line feed
JSON_IN_UNICODE, JSON_IN_ASCII = json.JSONEncoder(ensure_ascii=False), json.JSONEncoder()
STEERING_IN_JSON = re.compile(r"[\x7f-\x9f]")  # JSON allows these unescaped, but a terminal interprets them


class SafeConsole(Console):
    """A console on which data cannot control the terminal: only the control codes of rich itself are printed."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Render the text with each control character replaced by a space."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(harmless(segment.text), segment.style)

    def on_broken_pipe(self) -> NoReturn:
        """Raise the error; rich would exit, although a command can have more to do."""
        raise  # rich calls this while it handles the error


def harmless(text: str) -> str:
    """Return the text with each control character except the line feed replaced by a space."""
    return CONTROL_CHARACTERS.sub(" ", text)


def console(*, to_errors: bool = False, file: IO[str] | None = None, like: Console | None = None) -> SafeConsole:
    """Create a console that prints data as it is: nothing in it is interpreted as markup.

    Args:
        to_errors: Whether it prints on standard error.
        file: Print to this file instead of a standard stream.
        like: Another console. The new one takes its width, and treats `file` as a terminal if that one is a terminal.
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


stdout = console()
stderr = console(to_errors=True)


def echo(text: str | Text = "", style: str = "") -> None:
    """Print a line on standard output; the terminal wraps it."""
    stdout.print(text, style=style, soft_wrap=True)


def echo_json(value: Any) -> None:
    """Print a value as JSON on standard output."""
    sys.stdout.write(json_text(value, sys.stdout, indent=2) + "\n")


def json_text(value: Any, file: IO[str], indent: int | None = None) -> str:
    """Return a value as JSON that the encoding of the file can represent and that contains no terminal controls.

    Decimals become numbers with all their digits, NaN and infinite values null. What JSON has no type for becomes text.
    """
    is_unicode = (getattr(file, "encoding", None) or "utf-8").lower().startswith("utf")
    text = _json(value, (JSON_IN_UNICODE if is_unicode else JSON_IN_ASCII).encode, indent, "\n")
    return STEERING_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _json(value: Any, encode: Callable[[str], str], indent: int | None, line: str) -> str:
    """Return what json.dumps would, with exact decimals: it can write no number with more digits than a float has.

    Args:
        value: Any value.
        encode: Returns a text in quotes.
        indent: The spaces of each level; None for a single line.
        line: The line end and the indentation of the value.
    """
    if isinstance(value, str):
        return encode(value)
    if isinstance(value, dict):
        inner = line + " " * (indent or 0)
        items = [f"{encode(_key(key))}: {_json(item, encode, indent, inner)}" for key, item in value.items()]
        return _enclosed("{}", items, indent, line)
    if isinstance(value, list | tuple):
        inner = line + " " * (indent or 0)
        return _enclosed("[]", [_json(item, encode, indent, inner) for item in value], indent, line)
    if isinstance(value, int | float | Decimal) or value is None:
        return _number(value)
    return encode(str(value))


def _number(value: float | Decimal | None) -> str:
    """Return a number, a boolean or None as JSON. A call of json.dumps for each would take twice as long."""
    if isinstance(value, bool | Decimal):
        return plain(value)
    if isinstance(value, int):
        return int.__repr__(value)
    return float.__repr__(value) if value is not None and math.isfinite(value) else "null"


def _enclosed(brackets: str, items: Sequence[str], indent: int | None, line: str) -> str:
    first, last = brackets[0], brackets[1]
    if indent is None or not items:
        return f"{first}{', '.join(items)}{last}"
    inner = line + " " * indent
    return f"{first}{inner}{f',{inner}'.join(items)}{line}{last}"


def _key(key: Any) -> str:
    return json.dumps(key) if key is None or isinstance(key, bool) else str(key)


class Right(str):
    """The heading of a column that is aligned on the right, such as one of numbers."""

    __slots__ = ()


def grid(
    *headings: str, rows: Iterable[Sequence[str | Text]] = (), indent: int = 0, whole: Collection[str] = ()
) -> Table:
    """Create a table without lines.

    On a narrow screen, the columns in `whole` are not wrapped, such as ids, which are copied.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_header=any(headings))
    if indent:
        table.add_column("", width=indent - 2)
    for name in headings:
        justify: Literal["left", "right"] = "right" if isinstance(name, Right) else "left"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=name in whole)
    for row in rows:
        table.add_row(*([""] if indent else []), *row)
    return table


def ruled(
    headings: Sequence[str], numeric: Sequence[bool], folds: Sequence[bool], rows: Iterable[Sequence[Text]]
) -> Table:
    """Create a table with a line under its header. On a narrow screen, only the columns in `folds` are wrapped."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    for heading, is_numeric, is_folded in zip(headings, numeric, folds, strict=True):
        table.add_column(heading, justify="right" if is_numeric else "left", no_wrap=not is_folded, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def plain(value: object) -> str:
    """Return a value as text on one line, without control characters."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal) and value.is_finite():
        text = f"{value:f}"  # normalize() would round to 28 digits
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, list | tuple | dict):
        return plain(nested(value))
    return "".join(char if char.isprintable() else " " for char in str(value))


def nested(value: object) -> str:
    """Return a list or map, and each value in it, as text; texts in it are quoted: [1.50, NULL, 'a']."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(nested, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{nested(key)}: {nested(item)}' for key, item in value.items())}}}"
    if isinstance(value, str | bytes):
        return repr(value)
    if value is None or isinstance(value, bool):
        return plain(value)
    return str(value)


def short(value: object, longest: int = LONGEST_TEXT) -> str:
    """Return a value as text on one line, at most so many characters long."""
    text = plain(value)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def number(count: int) -> str:
    """Return a whole number with thousands separators."""
    return f"{count:,}"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun in singular or plural: 1 file, 2 files."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def share(part: int, whole: int) -> str:
    """Return a share in percent; empty if the whole is 0."""
    return f"{part / whole:.1%}" if whole else ""


def size(byte_count: int) -> str:
    """Return a size with a decimal unit: 1.5 MB is 1,500,000 bytes."""
    value = float(byte_count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def span(seconds: float) -> str:
    """Return a duration in its two largest units: 1 h 5 min."""
    whole = round(seconds)
    if seconds < 10 and seconds != whole:
        return f"{seconds:.1f} s"
    for unit, length, below, below_length in (("d", 86_400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= length:
            rest = whole % length // below_length
            return f"{whole // length} {unit} {rest} {below}" if rest else f"{whole // length} {unit}"
    return f"{whole} s"

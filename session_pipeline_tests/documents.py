"""Parses the Markdown of the documentation for its tests: code blocks, tables, links, examples.

It supports only the forms that the documents of this project use. The content is checked in test_docs.py and the test
modules of each topic.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import NoneType

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
DOCUMENTS = (README, ROOT / "CHANGELOG.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md")))

_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TABLE = re.compile(r"(?:^\|.*\|\n)+", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_EXAMPLE = "<!-- example -->\n"


@dataclass(frozen=True)
class Block:
    """A fenced code block and the heading above it."""

    heading: str
    language: str
    code: str
    start: int
    end: int


@dataclass(frozen=True)
class Example:
    """Settings, and a table of inputs with their outputs under these settings; output columns are in bold.

    Attributes:
        heading: The heading above the example.
        settings: TOML; empty for the packaged settings.
        given: The inputs of each row, by column.
        expected: The outputs of each row, by column.
    """

    heading: str
    settings: str
    given: tuple[Mapping[str, str], ...]
    expected: tuple[Mapping[str, str], ...]


def blocks(text: str) -> list[Block]:
    return [
        Block(_heading_before(text, found.start()), found[1], found[2], found.start(), found.end())
        for found in _BLOCK.finditer(text)
    ]


def links(text: str) -> list[str]:
    """Return the targets of all links outside code blocks."""
    return _LINK.findall(prose(text))


def prose(text: str) -> str:
    return _BLOCK.sub("", text)


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub makes of the headings."""
    titles = (heading.lower().replace("`", "") for heading in _HEADING.findall(prose(text)))
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def examples(text: str) -> Iterator[Example]:
    """Yield the example below each example mark: a table, with optional settings before it."""
    position = text.find(_EXAMPLE)
    while position >= 0:
        table = _TABLE.search(text, position)
        assert table is not None, f"no table after {text[position : position + 80]!r}"
        settings = [found[2] for found in _BLOCK.finditer(text, position, table.start()) if found[1] == "toml"]
        names, *rows = cells(table[0])
        is_given = [not name.startswith("**") for name in names]
        named = [name.strip("*") for name in names]
        yield Example(
            _heading_before(text, position),
            "".join(settings),
            tuple(_chosen(named, row, is_given, True) for row in rows),
            tuple(_chosen(named, row, is_given, False) for row in rows),
        )
        position = text.find(_EXAMPLE, table.end())


def cells(table: str) -> list[list[str]]:
    """Return header and rows of a table, without code marks; an escaped bar becomes a bar."""
    lines = [line for line in table.splitlines() if not set(line) <= set("|-: ")]
    return [[_cell(cell) for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def as_table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Format rows as a table that is also readable as plain text; numbers are right-aligned."""
    texts = [[_text(value) for value in row] for row in rows]
    is_number = [{type(row[column]) for row in rows} <= {int, float, Decimal, NoneType} for column in range(len(names))]
    widths = [max(3, *(len(row[column]) for row in (names, *texts))) for column in range(len(names))]

    def line(row: Sequence[str]) -> str:
        padded = (
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(row, widths, is_number, strict=True)
        )
        return f"| {' | '.join(padded)} |\n"

    rule = "|".join("-" * (width + 1) + (":" if right else "-") for width, right in zip(widths, is_number, strict=True))
    return line(names) + f"|{rule}|\n" + "".join(map(line, texts))


def _heading_before(text: str, position: int) -> str:
    found = [match[1] for match in _HEADING.finditer(text, 0, position)]
    return found[-1] if found else ""


def _cell(text: str) -> str:
    return text.strip().replace("`", "").replace("\\|", "|")


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _chosen(names: list[str], row: list[str], is_given: list[bool], wanted: bool) -> dict[str, str]:
    columns = zip(names, row, is_given, strict=True)
    return {name: cell for name, cell, given in columns if given is wanted}

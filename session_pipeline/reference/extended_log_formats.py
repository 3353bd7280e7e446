"""Finds the format of access logs whose lines are those of a named format with further fields or a prefix.

Many servers log combined and then the duration of the request, and syslog and containers write their own words before
each line. captured_headers.py finds the format of lines with headers that HAProxy captured; log_formats.py defines the
named formats and parses what is written.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from session_pipeline.reference.captured_headers import format_with_captured_headers
from session_pipeline.reference.log_formats import IS_NGINX, NAMED_FORMATS, parse_log_format

FIELD = r'"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[^\s"\[]\S*'
FURTHER_FIELDS = re.compile(rf"(?: +(?:{FIELD}))*")
ONE_FIELD = re.compile(FIELD)
ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{0,4}:[0-9a-fA-F]{0,4}:[0-9a-fA-F:.]+")
# What ends the prefix of syslog (web01 nginx: ), of containerd (stdout F ) and of Docker Compose (web-1  | ).
ENDS_OF_PREFIXES = (": ", " F ", "| ")
MOST_FURTHER_FIELDS = 20


@dataclass(frozen=True)
class _Extended:
    """A line, as a line of a named format with more around it.

    Attributes:
        end_of_prefix: What ends its prefix; empty without a prefix.
        further: The fields after those of the named format, with their quotes or brackets.
    """

    end_of_prefix: str
    further: Sequence[str]

    @property
    def shape(self) -> tuple[str, ...]:
        """What lines in the same format have in common: the end of the prefix, and what each field begins with."""
        return (self.end_of_prefix, *(field[0] if field[0] in '"[' else "" for field in self.further))


def extended_log_format(lines: Sequence[str]) -> str | None:
    """Return a log_format that all lines fit: a named format with fields called extra_1, extra_2 and so on after it.

    None if there is none, or if one of these fields, or the prefix, could be the address of a visitor: it has addresses
    or is always empty. Of several formats, the one with the fewest such fields counts.
    """
    found: list[tuple[int, str]] = []
    captured = format_with_captured_headers(lines)
    for written in (*NAMED_FORMATS.values(), *([captured] if captured else [])):
        pattern = parse_log_format(written).sure_pattern.removeprefix("^").removesuffix("$")
        if pattern.endswith(".*?)"):
            continue  # its last field would have no end
        compiled = re.compile(pattern)
        extended = [_extended(line, compiled) for line in lines]
        known = [each for each in extended if each is not None]
        if known and len(known) == len(lines) and len({each.shape for each in known}) == 1 and _are_safe(known):
            found.append((len(known[0].further), _written(written, known[0])))
    return min(found, key=lambda each: each[0])[1] if found else None


def _extended(line: str, pattern: re.Pattern[str]) -> _Extended | None:
    for end in ("", *ENDS_OF_PREFIXES):
        start = line.find(end) + len(end) if end in line else None
        fits = None if start is None else pattern.match(line, start)
        if fits is None or not FURTHER_FIELDS.fullmatch(line, fits.end()):
            continue
        further = ONE_FIELD.findall(line, fits.end())
        has_address = end != "" and ADDRESS.search(re.sub(r"\d\d:\d\d:\d\d\S*", "", line[:start])) is not None
        return None if has_address or len(further) > MOST_FURTHER_FIELDS else _Extended(end, further)
    return None


def _are_safe(lines: Sequence[_Extended]) -> bool:
    """Whether no further field can be the address of a visitor, which must not be stored."""
    columns = zip(*(line.further for line in lines), strict=True)
    return all(
        not any(map(ADDRESS.search, values)) and any(value.strip('"[]') not in ("", "-") for value in values)
        for values in columns
    )


def _written(named: str, line: _Extended) -> str:
    directive = "${}" if IS_NGINX.search(named) else "%{{{}}}n"
    prefix = directive.format("prefix") + line.end_of_prefix if line.end_of_prefix else ""
    further = []
    for number, field in enumerate(line.further, start=1):
        opening, closing = (field[0], field[-1]) if field[0] in '"[' else ("", "")
        further.append(f" {opening}{directive.format(f'extra_{number}')}{closing}")
    return prefix + named + "".join(further)

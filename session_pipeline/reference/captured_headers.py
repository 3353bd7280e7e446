"""Finds the format of HAProxy's HTTP log with captured headers, whose order only the configuration of HAProxy says.

HAProxy writes them without their names before the request: {www.shop.example|Mozilla/5.0 ...}, and those of the
response in a second pair of braces. What a header is follows from its values. log_formats.py defines the format without
them.
"""

import re
from collections.abc import Sequence

from session_pipeline.reference.log_formats import NAMED_FORMATS
from session_pipeline.reference.log_values import ADDRESS, NAME_OF_HOST

HEADERS = re.compile(r' \d+/\d+ \{([^{}]*)\}(?: \{([^{}]*)\})? "')
ADDRESSES = re.compile(rf"(?:{ADDRESS})(?:, *(?:{ADDRESS}))*")
HOST = re.compile(rf"{NAME_OF_HOST}(?::\d+)?")
SITE = re.compile(r"https?://")


def format_with_captured_headers(lines: Sequence[str]) -> str | None:
    """Return HAProxy's format with the captured headers of some lines.

    None if not all lines have as many, or if a header of the request could be the address of a visitor: it has none in
    these lines, or only some of its values are addresses.
    """
    found = [HEADERS.search(line) for line in lines]
    matches = [match for match in found if match is not None]
    if not lines or len(matches) < len(lines):
        return None
    written, number = "", 0
    for block in (1, 2):
        rows = [None if match[block] is None else match[block].split("|") for match in matches]
        counts = {None if row is None else len(row) for row in rows}
        if counts == {None}:
            continue
        if len(counts) > 1:
            return None
        names = []
        for values in zip(*(row for row in rows if row is not None), strict=True):
            number += 1
            name = _name(values) if block == 1 else ""
            if name is None:
                return None
            names.append(f"$captured_{name or number}")
        written += f"{{{'|'.join(names)}}} "
    return NAMED_FORMATS["haproxy"].replace('"$request"', f'{written}"$request"')


def _name(values: Sequence[str]) -> str | None:
    """Return what a header of the request is; empty if it is not read, None if it could be an address."""
    filled = [value for value in values if value not in ("", "-")]
    addresses = sum(ADDRESSES.fullmatch(value) is not None for value in filled)
    if not filled or 0 < addresses < len(filled):
        return None
    if addresses:
        return "x_forwarded_for"
    if any("Mozilla/" in value for value in filled):
        return "user_agent"
    if all(map(SITE.match, filled)):
        return "referer"
    return "host" if all(map(HOST.fullmatch, filled)) and any("." in value for value in filled) else ""

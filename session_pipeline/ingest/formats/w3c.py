"""W3C extended log files, as CloudFront and IIS write them: a line #Fields names the fields of the lines after it.

A line becomes a JSON object of its fields. The names of the fields can change within a file, so it is read line by line
in Python. The preset w3c says what a field means. Source: https://www.w3.org/TR/WD-logfile.html.
"""

import json
import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from session_pipeline.ingest.formats.format import NO_LINE, Content, Format, Lines, Row
from session_pipeline.ingest.formats.layout import Layout
from session_pipeline.ingest.formats.line_counts import LineCounter
from session_pipeline.ingest.formats.records import decoded, is_blank, physical_lines

DIRECTIVE = re.compile(rb"\n#")
NO_VALUE = ("-", "")
# Fields with words in which servers replace spaces, because a space separates fields.
WORDS = re.compile(r"(?i)cs\((user-agent|cookie)\)")
# CloudFront, the only one of these servers with such fields, also encodes each % in the fields of URLS.
OF_CLOUDFRONT = re.compile(r"(?i)x-edge-.+")
URLS = re.compile(r"(?i)cs-uri-stem|cs-uri-query|cs\(referer\)")
# Spaces of Unicode, such as a no-break space, separate no fields: servers write paths decoded.
PLAIN_FIELD = re.compile(r"\S+", re.ASCII)
# A field in quotes can contain the separator. A quote that is not closed before a separator has no meaning.
SPACED_FIELD = re.compile(r'"(?P<quoted>(?:[^"]|"")*+)"(?!\S)|\S+', re.ASCII)
TABBED_FIELD = re.compile(r'(?:\A|(?<=\t))(?:"(?P<quoted>(?:[^"]|"")*+)"(?![^\t])|[^\t]*)')


class W3c(Format):
    """Logs in W3C's extended format."""

    name = "w3c"

    def counter(self, layout: Layout) -> LineCounter:
        """Return a counter for which directives are blank lines."""
        return _W3cCounter()

    def lines_by_duckdb(self, content: Content) -> Lines | None:
        """Return None, because the fields of a line depend on the lines before it."""
        return None

    def python_rows(self, content: Content) -> Iterator[Row]:
        """Yield a row for every line. Rows of directives and blank lines are empty."""
        names: list[str] = []
        date = None
        with content.plain_path.open("rb") as file:
            for line in physical_lines(file):
                text, reason = decoded(line)
                if line.startswith(b"#"):
                    directive, _, value = text[1:].partition(":")
                    if directive.lower() == "fields":
                        names = value.split()
                    elif directive.lower() == "date":
                        date = value.split()[0] if value.split() else None
                if line.startswith(b"#") or is_blank(line):
                    yield NO_LINE
                else:
                    yield (text, reason, None) if reason else _row(text, names, date)


class _W3cCounter(LineCounter):
    """Counts directives as blank lines."""

    def look_closer(self, lines: bytes) -> None:
        """Count the directives."""
        self.blank_count += len(DIRECTIVE.findall(lines))


def _row(text: str, names: Sequence[str], date: str | None) -> Row:
    if not names:
        return text, "invalid_log_line", "no line #Fields stands before it"
    is_tabbed = "\t" in text
    values = _values(text, is_tabbed)
    if len(values) != len(names):
        return text, "ragged_row", f"{len(values)} fields instead of {len(names)}, which #Fields names"
    fields = {"date": date} if date and "date" not in names else {}
    for name, value in zip(names, values, strict=True):
        if value in NO_VALUE:
            continue
        if WORDS.fullmatch(name):
            value = _words(value, is_tabbed)
        elif "%25" in value and URLS.fullmatch(name) and any(map(OF_CLOUDFRONT.fullmatch, names)):
            value = value.replace("%25", "%")
        fields[name] = value
    return json.dumps(fields, ensure_ascii=False), None, None


def _values(text: str, is_tabbed: bool) -> list[str]:
    """Return the fields of a line, without the quotes around them. Some servers also quote texts without a space."""
    if '"' not in text:
        if is_tabbed:
            return text.split("\t")
        # A printable text has no other space than the plain one. To split it is faster.
        return text.split() if text.isprintable() else PLAIN_FIELD.findall(text)
    found = (TABBED_FIELD if is_tabbed else SPACED_FIELD).finditer(text)
    return [field[0] if field["quoted"] is None else field["quoted"].replace('""', '"') for field in found]


def _words(value: str, is_encoded: bool) -> str:
    """Return a text with its spaces. CloudFront percent-encodes them, in old logs twice; IIS writes + for them."""
    if not is_encoded:
        return value.replace("++", " \0").replace("+", " ").replace("\0", "+")
    decoded_once = unquote(value)
    return unquote(decoded_once) if "%20" in decoded_once else decoded_once

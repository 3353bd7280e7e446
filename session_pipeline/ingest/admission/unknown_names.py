"""Says how a file can be read whose name gives no format, by its first bytes.

Such a file is refused, because files with other endings can be unfinished: events.jsonl.part. The reason names the keys
of the source that would read it, or how to write the file; `try` and `init --from` find the other keys that it needs.
"""

import csv
import re
from collections.abc import Mapping, Sequence

from session_pipeline.ingest.admission.recognition import preset_of_json, preset_of_text
from session_pipeline.ingest.admission.tabbed_logs import is_of_cloudfront, is_of_fluentd
from session_pipeline.ingest.formats import AccessLog, JsonLines, Parquet, W3c, format_of_content
from session_pipeline.ingest.formats.compression import compression_of_content
from session_pipeline.ingest.formats.content import BINARY_DATA, LOOKED_AT_BYTES, binary_kind, first_lines
from session_pipeline.ingest.formats.parquet import is_parquet
from session_pipeline.ingest.formats.separated import Csv, Tsv
from session_pipeline.reference.log_formats import NAMED_FORMATS, parse_log_format
from session_pipeline.settings import packaged_preset

FEWEST_NAMES = 3  # of a table's header
COLUMN_NAME = re.compile(r"[^\W\d][\w .:/$@-]*")
USUAL_LOG_FORMAT = "combined"  # of a source whose settings have no log_format


def keys_of_content(beginning: bytes) -> Mapping[str, str]:
    """Return the keys of a source that read a content, as far as its first bytes show them for certain.

    Args:
        beginning: The first bytes of the content, without the compression that its name gives.
    """
    if is_parquet(beginning):
        return {"format": Parquet.name}
    if binary_kind(beginning):
        return {}
    if preset := preset_of_text(beginning):
        tables = {"format": Tsv.name if b"\t" in first_lines(beginning)[0] else Csv.name}
        return {"preset": preset, **({} if packaged_preset(preset).format else tables)}
    found = format_of_content(beginning)
    if found is not None:
        return {"preset": W3c.name} if found.name == W3c.name else {"format": found.name}
    lines = whole_lines(beginning)
    if is_of_fluentd(lines) or is_of_cloudfront(lines):
        return {"format": Tsv.name}
    return _log_keys(lines)


def table_format(beginning: bytes) -> str | None:
    """Return csv or tsv for a content that is probably a table with a header; None for others.

    Its first line must be at least three names. The next lines must have several fields, and not more than names.
    """
    texts = [line.decode(errors="replace") for line in whole_lines(beginning)]
    for delimiter, format in (("\t", Tsv.name), (",", Csv.name), (";", Csv.name)):
        try:
            rows = list(csv.reader(texts, delimiter=delimiter))
        except csv.Error:  # such as a carriage return within a line
            continue
        if len(rows) > 1 and len(rows[0]) >= FEWEST_NAMES and all(map(COLUMN_NAME.fullmatch, rows[0])):
            return format if all(1 < len(row) <= len(rows[0]) for row in rows) else None
    return None


def whole_lines(beginning: bytes) -> Sequence[bytes]:
    """Return the first lines of a content that are not cut off."""
    lines = first_lines(beginning)
    return lines[:-1] if len(beginning) >= LOOKED_AT_BYTES else lines


def ending_of(keys: Mapping[str, str]) -> str | None:
    """Return an ending with which the further keys of a content are found; None if it needs no others."""
    return {JsonLines.name: ".jsonl", Parquet.name: ".parquet", Tsv.name: ".tsv"}.get(keys.get("format", ""))


def why_refused(reason: str, beginning: bytes) -> str:
    """Return why a file is refused and what to do: what its content is or needs, if its first bytes show it.

    Args:
        reason: Why its name gives no format.
        beginning: The first bytes of the content, without the compression that its name gives.
    """
    if keys := keys_of_content(beginning):
        if keys == {"format": JsonLines.name} and (preset := preset_of_json(beginning)):
            # A source with `format` is not recognized any more.
            keys = {**({} if packaged_preset(preset).format else keys), "preset": preset}
        needed = ", ".join(f'{key} = "{value}"' for key, value in keys.items())
        return f"{reason}; its content needs {needed}"
    if compression := compression_of_content(beginning):
        return f"it is {compression.name}, but its name does not end in {compression.ending}; rename it"
    kind = binary_kind(beginning)
    if kind is None or kind == BINARY_DATA:
        return reason
    return f"it is {kind}" if "; " in kind else f"it is {kind}, which has no events; remove it"


def _log_keys(lines: Sequence[bytes]) -> Mapping[str, str]:
    """Return the keys for lines of an access log in a named format; empty if they fit none."""
    texts = [line.decode(errors="replace") for line in lines]
    for name in NAMED_FORMATS:
        pattern = re.compile(parse_log_format(name).sure_pattern)
        if texts and all(map(pattern.match, texts)):
            return {"format": AccessLog.name, **({"log_format": name} if name != USUAL_LOG_FORMAT else {})}
    return {}

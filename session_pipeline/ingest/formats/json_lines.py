"""JSON Lines: one JSON object a line."""

import re
from collections.abc import Sequence

from session_pipeline.ingest.formats.content import MARKUP, MARKUP_KIND
from session_pipeline.ingest.formats.format import TextLines


class JsonLines(TextLines):
    """Files of one JSON object a line."""

    name = "jsonl"
    endings = (".jsonl", ".ndjson", ".json")
    is_nested = True

    def other_text(self, lines: Sequence[bytes]) -> str | None:
        """Recognise markup, and JSON that is not written one object a line."""
        first = lines[0]
        if MARKUP.match(first):
            return MARKUP_KIND
        if first == b"{":
            return "JSON over several lines; deliver one object a line, as `jq -c .` writes them"
        if re.match(rb"\[\s*(\{|$)", first):
            return "one JSON list; deliver one object a line, as `jq -c '.[]'` writes them"
        if not any(line.startswith(b"{") for line in lines):
            return "no JSON: none of its first lines is an object"
        return None

"""Reads lines with a packaged preset, for the tests of what they become."""

from dataclasses import replace
from functools import cache
from typing import Any

from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.ingest.mapping.source_rules import rules_of
from session_pipeline.settings import parse_settings
from session_pipeline_tests.ingesting import KEY, Ingest, Row, Taken

Line = dict[str, Any]


@cache
def preset(name: str) -> ReadingRules:
    """Return the rules of a source with a preset. To check its settings takes as long as to read some lines."""
    return rules_of(parse_settings(f"[sources.web]\npreset = '{name}'"), "web", KEY)


def taken(ingest: Ingest, name: str, *lines: Line) -> Taken:
    """Return what lines of JSON become with a preset."""
    return ingest.take_lines(*lines, rules=replace(preset(name), format="jsonl"))


def events(ingest: Ingest, name: str, *lines: Line) -> list[Row]:
    """Return the events that lines of JSON become with a preset; no line is quarantined."""
    found = taken(ingest, name, *lines)
    assert found.quarantined == []
    return found.events

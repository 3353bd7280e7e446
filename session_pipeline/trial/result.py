"""Describes what came out of trying one file.

attempt.py reads the file; cli/trying.py prints the result.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from session_pipeline.store.file_facts import FileFacts

NO_SOURCE = "try"  # a source that is not in the settings is read with the defaults
USUAL_SOURCE = "web"  # the source that settings are suggested for if none is named


def named_source(source: str) -> str:
    """Return the source that settings are suggested for."""
    return USUAL_SOURCE if source == NO_SOURCE else source


@dataclass(frozen=True)
class Field:
    """A column of events, and the field of the file that it is read from.

    Attributes:
        column: The name of the column.
        origin: The name of the field in the file, or the constant; None if there is none, or if the value comes from
            the URL.
        filled_count: The number of accepted lines that have a value.
        example: The first value, as text; None if there is no value.
    """

    column: str
    origin: str | None
    filled_count: int
    example: str | None


@dataclass(frozen=True)
class QuarantineReason:
    """The lines that are quarantined for one reason.

    Attributes:
        reason: The reason.
        line_count: The number of these lines.
        lines: The first of these lines: line number, what is wrong, and the line itself.
    """

    reason: str
    line_count: int
    lines: Sequence[tuple[int, str | None, str]]


@dataclass(frozen=True)
class Trial:
    """The result of trying one file.

    Attributes:
        facts: What the ledger has about the file; its path is that of the tried file.
        fields: Every column that a source can deliver.
        other_fields: The fields that are kept in `properties`: the number of accepted lines that have it, by name.
        set_aside: Quarantined lines by reason, the most frequent first.
        suggested_columns: Suggested fields for columns without a value: the field's name, by column.
        suggested: Suggested keys of the source, as they are written in TOML, by key.
        remarks: Sentences about the fields that the suggested keys do not say.
        missing: The columns that every event needs and that have no field, also with the suggested keys. For each, the
            fields that could be meant.
        accepted_with_suggested: The number of lines that were accepted with these keys; None if there are none.
        lines_with_suggested: The number of lines with these keys, which can be records of one line; None if there are
            none.
        start_date: The start_date that the suggested keys were tried with; None if it is that of the settings.
        days: The first days of the file; sessions of other days are not built.
        day_count: The number of days with events in the file.
        duplicate_count: The number of lines of `days` that duplicate an event.
        outcomes: The number of sessions of `days` without bots by outcome, the most frequent first.
        bot_session_count: The number of bot sessions of `days`.
        sessions: The first sessions of `days`, bot sessions last.
    """

    facts: FileFacts
    fields: Sequence[Field]
    other_fields: Mapping[str, int]
    set_aside: Sequence[QuarantineReason]
    suggested_columns: Mapping[str, str]
    suggested: Mapping[str, Any]
    remarks: Sequence[str]
    missing: Mapping[str, Sequence[str]]
    accepted_with_suggested: int | None = None
    lines_with_suggested: int | None = None
    start_date: date | None = None
    days: Sequence[date] = ()
    day_count: int = 0
    duplicate_count: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    bot_session_count: int = 0
    sessions: Sequence[Mapping[str, Any]] = ()

    @property
    def line_count(self) -> int:
        """The number of lines with the suggested keys, else of the file as it is."""
        return self.lines_with_suggested or self.facts["line_count"]

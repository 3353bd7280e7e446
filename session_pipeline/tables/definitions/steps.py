"""Defines the step that counts sessions by the definitions of other tools."""

from collections.abc import Mapping, Sequence
from datetime import date

from session_pipeline.settings import Settings
from session_pipeline.tables.definitions import from_settings
from session_pipeline.tables.frame import Frame
from session_pipeline.tables.graph import Computation, Relation, Step
from session_pipeline.tables.outcomes.from_settings import outcome_rules
from session_pipeline.tables.parameters import Scalar
from session_pipeline.tables.sessions.from_settings import passive_events
from session_pipeline.tables.spans import Span


def _around(days_before: int, name: str) -> Span:
    """Return the span of a day, some days before it, and the day after it; nothing if no definition is counted."""

    def around(frame: Frame, day: date) -> tuple[date, ...]:
        if not frame.settings.definitions.also:
            return ()
        days = [day]
        for _ in range(days_before):
            days.insert(0, frame.calendar.previous(days[0]))
        return frame.only_wanted([*days, frame.calendar.next(day)])

    return Span(name, around, is_by_settings=True)


# A session of a definition can reach the next day. Whether it starts depends on the day before, and on whether the
# events of that day go on from the day before it. Our sessions with these events start up to a day earlier.
EVENTS_AROUND = _around(2, "two days before the day to the day after it, if definitions are counted")
SESSIONS_AROUND = _around(3, "three days before the day to the day after it, if definitions are counted")
MATCHES_AROUND = _around(1, "the day and the days next to it, if definitions are counted")


def _once_if_any(settings: Settings) -> Sequence[Mapping[str, Scalar]]:
    return [{}] if settings.definitions.also else []


STEPS: tuple[Step, ...] = (
    Step(
        name="daily_definitions",
        tables=("daily_definitions",),
        spans={"events": EVENTS_AROUND, "sessions": SESSIONS_AROUND, "outcome_matches": MATCHES_AROUND},
        relations={"marking_events": Relation(from_settings.marking_events, reads=("events",))},
        lists={
            "session_definitions": from_settings.session_definitions,
            "uncounted_events": from_settings.only_if_counted(passive_events),
            "conversion_rules": from_settings.only_if_counted(outcome_rules),
        },
        # Without a definition, only the models that return nothing run.
        computed=(
            Computation("no_definition_starts", "definition_starts"),
            Computation("definition_starts", "definition_starts", runs=_once_if_any),
            Computation("no_definition_sessions", "definition_sessions"),
            Computation("definition_sessions", "definition_sessions", runs=_once_if_any),
        ),
    ),
)

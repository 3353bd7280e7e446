"""Provides what the models of paths read from the settings: windows, positions, and patterns as SQL."""

from collections.abc import Mapping

from session_pipeline.reference.small_table import SmallTable
from session_pipeline.settings import PatternSettings, Settings
from session_pipeline.settings.action_patterns import ActionPattern, Limit, lengths
from session_pipeline.tables.parameters import PATH_WINDOWS, Scalar
from session_pipeline.tables.paths.action_letters import Text, texts
from session_pipeline.tables.settings_sql import number_sql, text_sql

# Sorts actions by time and then by place. A session lasts at most 24 hours and has fewer actions than this.
PLACES = 10_000_000
LONGEST_PART = 1_000  # actions
LONGEST = 2_000_000_000_000_000_000  # more than any two actions of a session are apart


def window_ages(settings: Settings) -> SmallTable:
    """Return the days of each window, as their distance from its last day: (window_days, age_days)."""
    rows = [{"window_days": days, "age_days": age} for days in PATH_WINDOWS for age in range(days)]
    return SmallTable({"window_days": "BIGINT", "age_days": "BIGINT"}, rows)


def path_positions(settings: Settings) -> SmallTable:
    """Return the positions of a path, including that of '(more)': (position)."""
    rows = [{"position": position} for position in range(1, settings.paths.max_path_actions + 2)]
    return SmallTable({"position": "BIGINT"}, rows)


def action_letters(settings: Settings) -> str:
    """Return SQL that gives each action a letter in each text: (text_number, session_id, place, letter, ...).

    `place` is the position in the text, from 1.
    """
    columns = "session_date, session_id, site, action_number, event_id, occurred_at, is_bot"
    selects = [
        f"select {number_sql(text.number)} as text_number, {columns}, place, {_letter(text)} as letter"
        f" from ({_placed(text, columns)}) as placed_actions"
        for text in texts(settings.patterns)
    ]
    empty = (
        f"select {number_sql(0)} as text_number, {columns}, action_number as place, '' as letter"
        " from session_actions where false"
    )
    return " union all ".join(selects) or empty


def _placed(text: Text, columns: str) -> str:
    in_order = "over (partition by session_id order by action_number)"
    place = "action_number" if text.among is None else f"row_number() {in_order}"
    gap = f"date_diff('microsecond', lag(occurred_at) {in_order}, occurred_at)" if text.gaps else "null"
    names = "" if text.among is None else f" where action in ({', '.join(map(text_sql, text.among))})"
    return f"select {columns}, action, {place} as place, {gap} as gap from session_actions{names}"


def _letter(text: Text) -> str:
    """Return SQL for the letter of an action."""
    cases = " ".join(f"when action = {text_sql(name)} then {_of_gap(text, name)}" for name in text.names)
    other = _of_gap(text, None)
    return f"case {cases} else {other} end" if cases else other


def _of_gap(text: Text, name: str | None) -> str:
    letters = text.letters(name)
    conditions = [f"gap {sign} {number_sql(gap)}" for gap in text.gaps for sign in ("<", "=")]
    cases = " ".join(
        f"when {condition} then '{letter}'" for condition, letter in zip(conditions, letters, strict=False)
    )
    return f"case {cases} else '{letters[-1]}' end" if cases else f"'{letters[-1]}'"


def untimed_patterns(settings: Settings) -> list[Mapping[str, Scalar]]:
    """Return the patterns without limits on time other than those between neighbours, as regular expressions."""
    return [
        {"of_text": text.number, "pattern_name": name, "expression": _whole(text, pattern)}
        for text in texts(settings.patterns)
        for name, pattern in text.patterns
        if not _is_timed(pattern, _setting(settings, name))
    ]


def _setting(settings: Settings, name: str) -> PatternSettings:
    return next(pattern for pattern in settings.patterns if pattern.name == name)


def _is_timed(pattern: ActionPattern, setting: PatternSettings) -> bool:
    return bool(pattern.limits) or setting.within_seconds is not None


def _whole(text: Text, pattern: ActionPattern) -> str:
    expression = text.expression(pattern.parts[0])
    return f"{'^' if pattern.starts_session else ''}{expression}{'$' if pattern.ends_session else ''}"


def timed_patterns(settings: Settings) -> SmallTable:
    """Return the patterns with limits on time: (pattern, text_number, within_microseconds)."""
    rows = [
        {
            "pattern": name,
            "text_number": text.number,
            "within_microseconds": None if setting.within_seconds is None else setting.within_seconds * 1_000_000,
        }
        for text in texts(settings.patterns)
        for name, pattern in text.patterns
        if _is_timed(pattern, setting := _setting(settings, name))
    ]
    return SmallTable({"pattern": "VARCHAR", "text_number": "BIGINT", "within_microseconds": "BIGINT"}, rows)


def part_lengths(settings: Settings) -> SmallTable:
    """Return the lengths that a part of a pattern with limits on time can have: (part_length)."""
    longest = LONGEST_PART if timed_patterns(settings).rows else 0
    return SmallTable({"part_length": "BIGINT"}, [{"part_length": length} for length in range(1, longest + 1)])


def timed_parts(settings: Settings) -> list[Mapping[str, Scalar]]:
    """Return the parts of the patterns with limits on time, each pattern from its last part to its first."""
    return [
        run
        for text in texts(settings.patterns)
        for name, pattern in text.patterns
        if _is_timed(pattern, _setting(settings, name))
        for run in _parts(text, name, pattern)
    ]


def _parts(text: Text, name: str, pattern: ActionPattern) -> list[Mapping[str, Scalar]]:
    expressions = [text.expression(part) for part in pattern.parts]
    last = len(expressions)
    session = ".*".join(f"(?:{expression})" for expression in expressions)
    runs: list[Mapping[str, Scalar]] = []
    for number in range(last, 0, -1):
        is_last = number == last
        lower, upper = (1, 1) if is_last else _bounds(pattern.limits[number - 1])
        least, most = lengths(pattern.parts[number - 1])
        runs.append(
            {
                "text_number": text.number,
                "pattern_name": name,
                "part": number,
                "part_expression": f"^(?:{expressions[number - 1]})$",
                "part_least": least,
                "part_most": LONGEST_PART if most is None else min(most, LONGEST_PART),
                "session_expression": session,
                "is_last_part": is_last,
                "is_at_start": number == 1 and pattern.starts_session,
                "is_at_end": is_last and pattern.ends_session,
                "after_least": lower,
                "after_most": upper,
            }
        )
    return runs


def _bounds(limit: Limit) -> tuple[int, int]:
    """Return the range in which an action's time and place lies after those of the action before it.

    Time and place are microseconds * PLACES + place, and a later action has a higher place. An action is within a range
    of microseconds exactly if the difference is at least the lowest * PLACES and less than (the highest + 1) * PLACES.
    """
    lowest = {"==": limit.microseconds, ">=": limit.microseconds, ">": limit.microseconds + 1}.get(limit.sign, 0)
    highest = {"==": limit.microseconds, "<=": limit.microseconds, "<": limit.microseconds - 1}.get(limit.sign)
    return max(1, lowest * PLACES), LONGEST if highest is None else (highest + 1) * PLACES - 1

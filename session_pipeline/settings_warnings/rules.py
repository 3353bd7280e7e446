"""Finds the rules of the settings that match nothing in the published events and sessions.

Unchanged packaged rules are not reported, because most sites lack some of the events that they name. The exceptions are
a packaged funnel that visitors enter and a packaged form that they start, because the report shows its steps, and that
all of them abandoned the form. similar.py finds values similar to those that a rule names.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from itertools import pairwise

import duckdb
from sqlglot import exp

from session_pipeline.engines.sql import query_text
from session_pipeline.reference.column_groups import EVENT_CONDITION_COLUMNS, SESSION_CONDITION_COLUMNS
from session_pipeline.reference.user_agents import LOOKED_AT_CHARACTERS
from session_pipeline.settings import FunnelSettings, PatternSettings, Settings, parse_settings
from session_pipeline.settings.conditions import parse_condition, parse_number, parse_scalar
from session_pipeline.settings.outcomes import OutcomeSettings
from session_pipeline.settings.shortening import shortened
from session_pipeline.settings_warnings.model import SettingsWarning
from session_pipeline.settings_warnings.similar import Existing
from session_pipeline.settings_warnings.window import Window, is_on

JSON_CONDITIONS_PER_SCAN = 5
MOST_HINTS = 20  # warnings that name similar values
# Where rules are tested: a relation and its day column.
EVENTS, SESSIONS = ("events", "event_date"), ("sessions", "session_date")
ACTIONS = ("session_actions", "session_date")
PATHS = (
    "(select distinct event_date, page_path from events where event_name = 'page_view' and page_path is not null)",
    "event_date",
)
AGENTS = (f"({query_text(__package__, 'days_of_user_agents')})", "event_date")
# The signals that each condition of [friction] is used for.
SIGNALS_OF_CONDITIONS = {
    "click": {"rage_click"},
    "search_results": {"repeated_search"},
    "submit": {"repeated_submit"},
    "error": {"error", "error_loop"},
}
# What to do about packaged rules.
OWN_FUNNELS = "define your own [[funnels]], or write funnels = [] for none"
OWN_FORMS = "write your own forms in [friction], or forms = [] for none"


@dataclass(frozen=True)
class Rule:
    """A rule of the settings, as a condition that some event or session should meet.

    Attributes:
        key: The key of the setting.
        text: Its value.
        condition: True for the rows that the rule applies to.
        problem: Text that follows the value in the warning if no row meets the condition.
        where: The relation in which it is tested, and its day column.
        named: The expression for whose values similar ones are searched; None: the condition.
        within: Key of the rule that it is part of. If that rule matches nothing, only that rule is reported.
        step: Funnel and step number, for a funnel step.
        is_reported: Whether the user is warned; false for packaged rules.
        hint: Why the rule matches nothing, if that is known.
        change: What to do.
    """

    key: str
    text: str
    condition: exp.Expression
    problem: str = "matches no event"
    where: tuple[str, str] = EVENTS
    named: exp.Expression | None = None
    within: str | None = None
    step: tuple[str, int] | None = None
    is_reported: bool = True
    hint: str | None = None
    change: str = "correct it or remove it"


def unmatched(connection: duckdb.DuckDBPyConnection, settings: Settings, window: Window) -> list[Rule]:
    """Return the rules that match nothing on the days of the window, in the order of the settings."""
    rules = list(_rules(settings))
    matching: set[str] = set()
    newest, before = window.days[:1], window.days[1:]
    for days in filter(None, (newest, before)):
        for where in (EVENTS, SESSIONS, ACTIONS, PATHS, AGENTS):
            left = [rule for rule in rules if rule.where == where and rule.key not in matching]
            matching |= _matching(connection, where, days, left)
    return [rule for rule in rules if rule.key not in matching and (rule.within is None or rule.within in matching)]


def warnings(connection: duckdb.DuckDBPyConnection, window: Window, rules: Sequence[Rule]) -> list[SettingsWarning]:
    """Return the warnings about rules that match nothing."""
    existing = Existing(connection, window)
    missing_first = {rule.step[0] for rule in rules if rule.step is not None and rule.step[1] == 1}
    found: list[SettingsWarning] = []
    reported: set[str] = set()  # packaged funnels with a reported step
    for rule in rules:
        if not rule.is_reported:
            if rule.step is None or rule.step[0] in missing_first | reported:
                continue
            reported.add(rule.step[0])
        # Finding similar values takes some milliseconds per rule, and nobody reads hundreds of hints.
        similar = existing.hints(rule.named or rule.condition, rule.where[0]) if len(found) < MOST_HINTS else []
        hints = [window.words, *filter(None, [rule.hint or _hint_on_like(rule.condition)]), *similar, rule.change]
        found.append(SettingsWarning(rule.key, f"{shortened(rule.text)} {rule.problem}", "; ".join(hints)))
    return found


def _hint_on_like(condition: exp.Expression) -> str | None:
    """Return a hint if a pattern of `like` has the * of file names."""
    patterns = [like.expression.name for like in condition.find_all(exp.Like, exp.ILike)]
    has_star = any("*" in pattern and "%" not in pattern for pattern in patterns)
    return "in like, % stands for any text" if has_star else None


def _matching(
    connection: duckdb.DuckDBPyConnection, where: tuple[str, str], days: Sequence[date], rules: Sequence[Rule]
) -> set[str]:
    """Return the keys of the rules that match a row. Equal conditions are computed once.

    One scan computes all conditions on columns, and only some of those on `properties`: while DuckDB reads a value from
    them, it holds the parsed properties of 2,048 events, separately for each value.
    """
    conditions = {rule.key: rule.condition.sql("duckdb") for rule in rules}
    relation, day_column = where
    reads_json = {conditions[rule.key]: rule.condition.find(exp.JSONExtractScalar) is not None for rule in rules}
    on_columns = [condition for condition, is_json in reads_json.items() if not is_json]
    on_json = [condition for condition, is_json in reads_json.items() if is_json]
    starts = range(0, len(on_json), JSON_CONDITIONS_PER_SCAN)
    holding: set[str] = set()
    for scan in filter(None, [on_columns, *(on_json[start : start + JSON_CONDITIONS_PER_SCAN] for start in starts)]):
        row = connection.execute(
            f"select {', '.join(f'bool_or({condition})' for condition in scan)}"
            f" from {relation} where {is_on(day_column, days)}"
        ).fetchone()
        assert row is not None
        holding.update(condition for condition, holds in zip(scan, row, strict=True) if holds)
    return {key for key, condition in conditions.items() if condition in holding}


def _rules(settings: Settings) -> Iterator[Rule]:
    packaged = _packaged()
    yield from _of_sessions(settings, packaged)
    yield from _of_bots(settings)
    yield from _of_actions(settings, packaged)
    yield from _of_friction(settings, packaged)
    for outcome in settings.outcomes:
        if outcome not in packaged.outcomes:
            yield from _of_outcome(outcome)
    for goal in settings.goals:
        if goal not in packaged.goals:
            yield from _with_value(f"goals[{goal.name}]", goal.where, goal.value)
    for funnel in settings.funnels:
        yield from _of_funnel(funnel, is_reported=funnel not in packaged.funnels)
    for pattern in settings.patterns:
        if pattern not in packaged.patterns:
            yield from _of_pattern(pattern, settings.actions.ignored_events)
    for name, expression in settings.dimensions.items():
        if packaged.dimensions.get(name) != expression:
            yield _of_dimension(name, expression)
    if settings.identity.is_by_person and not settings.identity.link:
        yield _of_persons(settings.identity.previous_id)


@cache
def _packaged() -> Settings:
    return parse_settings("")


def _of_sessions(settings: Settings, packaged: Settings) -> Iterator[Rule]:
    sessions = settings.sessions
    if sessions.separator:
        yield _of_name("sessions.separator", sessions.separator)
    switches = (
        ("client_sessions", "client_session_id"),
        ("split_on_client_session", "client_session_id"),
        ("split_on_user", "user_id"),
        ("split_on_campaign", "utm_campaign"),
    )
    for switch, column in switches if not sessions.definition else ():  # a definition sets these keys itself
        if getattr(sessions, switch) not in (False, "ignore"):
            condition = _is_known(exp.column(column))
            yield Rule(f"sessions.{switch}", column, condition, "is null for every event")
    for name in _added(sessions.passive_events, packaged.sessions.passive_events):
        yield _of_name(f"sessions.passive_events[{name}]", name)


def _of_bots(settings: Settings) -> Iterator[Rule]:
    if settings.privacy.user_agents != "full":
        return  # the user agents of people are stored without most of their text
    for name in ("patterns", "exceptions"):
        for pattern in getattr(settings.bots, name):
            condition = exp.RegexpLike(
                this=exp.Left(this=exp.column("user_agent"), expression=exp.Literal.number(LOOKED_AT_CHARACTERS)),
                expression=exp.Literal.string(pattern),
            )
            yield Rule(f"bots.{name}[{pattern}]", pattern, condition, "matches no user agent", AGENTS)


def _of_friction(settings: Settings, packaged: Settings) -> Iterator[Rule]:
    """Yield the conditions of signals that are looked for."""
    friction = settings.friction
    for name, signals in SIGNALS_OF_CONDITIONS.items():
        where = getattr(friction, name)
        if where != getattr(packaged.friction, name) and signals.intersection(friction.signals):
            yield _of_events(f"friction.{name}", where)
    for number, form in enumerate(friction.forms if "abandoned_form" in friction.signals else ()):
        start = _of_events(f"friction.forms[{number}].start", form.start)
        submit = _of_events(f"friction.forms[{number}].submit", form.submit)
        if form not in packaged.friction.forms:
            yield from (start, submit)
        else:
            yield from (replace(start, is_reported=False), replace(submit, within=start.key, change=OWN_FORMS))


def _of_persons(previous_id: str) -> Rule:
    """Return the rule that some event has an id that can link visitors to persons."""
    known = _is_known(exp.column("user_id"))
    if previous_id:
        former = parse_scalar(previous_id, EVENT_CONDITION_COLUMNS, key="identity.previous_id")
        known = exp.Or(this=known, expression=_is_known(former))
    return Rule("identity.by", "user_id", known, "is null for every event", named=exp.column("user_id"))


def _of_actions(settings: Settings, packaged: Settings) -> Iterator[Rule]:
    for name in _added(settings.actions.ignored_events, packaged.actions.ignored_events):
        yield _of_name(f"actions.ignored_events[{name}]", name)
    # A rule is applied to the result of the rules before it, so its effect is tested against that result.
    folded: list[exp.Expression] = [exp.column("page_path")]
    for rule in settings.actions.fold:
        folded.append(
            exp.RegexpReplace(
                this=folded[-1],
                expression=exp.Literal.string(rule.pattern),
                replacement=exp.Literal.string(rule.replacement),
                modifiers=exp.Literal.string("g"),
            )
        )
    for number, (rule, (before, after)) in enumerate(zip(settings.actions.fold, pairwise(folded), strict=True)):
        if rule not in packaged.actions.fold:
            condition = exp.NEQ(this=before.copy(), expression=after.copy())
            yield Rule(f"actions.fold[{number}].pattern", rule.pattern, condition, "matches no page path", PATHS)


def _of_outcome(outcome: OutcomeSettings) -> Iterator[Rule]:
    key = f"outcomes[{outcome.name}]"
    if outcome.where is not None:
        yield from _with_value(key, outcome.where, outcome.value)
    if outcome.where_session is not None:
        key = f"{key}.where_session"
        condition = parse_condition(outcome.where_session, SESSION_CONDITION_COLUMNS, key=key)
        yield Rule(key, outcome.where_session, condition, "matches no session", SESSIONS)


def _of_dimension(name: str, expression: str) -> Rule:
    """Return the rule that some event has a value of the dimension."""
    key = f"dimensions.{name}"
    value = parse_scalar(expression, EVENT_CONDITION_COLUMNS, key=key)
    known = _is_known(exp.Nullif(this=exp.cast(value.copy(), "VARCHAR"), expression=exp.Literal.string("")))
    return Rule(key, expression, known, "is null or empty for every event", named=value)


def _with_value(key: str, where: str, value: str | None) -> Iterator[Rule]:
    """Yield the rule of a condition, and the rule that its value is known for some event that meets the condition."""
    condition = parse_condition(where, EVENT_CONDITION_COLUMNS, key=f"{key}.where")
    yield Rule(f"{key}.where", where, condition)
    if value is not None:
        number = parse_number(value, EVENT_CONDITION_COLUMNS, key=f"{key}.value")
        both = exp.And(this=exp.paren(condition.copy()), expression=_is_known(number))
        problem = "is null for every event that meets where,"
        yield Rule(f"{key}.value", value, both, problem, named=number, within=f"{key}.where")


def _of_funnel(funnel: FunnelSettings, *, is_reported: bool) -> Iterator[Rule]:
    for number, step in enumerate(funnel.steps, start=1):
        key = f"funnels[{funnel.name}].steps[{step.name}].where"
        condition = parse_condition(step.where, EVENT_CONDITION_COLUMNS, key=key)
        rule = Rule(key, step.where, condition, step=(funnel.name, number), is_reported=is_reported)
        yield rule if is_reported else replace(rule, change=OWN_FUNNELS)
    for number, exclusion in enumerate(funnel.exclusions):
        key = f"funnels[{funnel.name}].exclusions[{number}].where"
        condition = parse_condition(exclusion.where, EVENT_CONDITION_COLUMNS, key=key)
        yield Rule(key, exclusion.where, condition, is_reported=is_reported)


def _of_pattern(pattern: PatternSettings, ignored: Sequence[str]) -> Iterator[Rule]:
    """Yield each action that the pattern or its `among` names."""
    named = pattern.named_actions
    for part, names in (("pattern", named), ("among", _added(pattern.among or (), named))):
        for name in names:
            condition = exp.EQ(this=exp.column("action"), expression=exp.Literal.string(name))
            hint = None
            if name == "page_view":
                hint = "the action of a page view is its path, without numbers and ids"
            elif name in ignored:
                hint = "it is in ignored_events of [actions]"
            key = f"patterns[{pattern.name}].{part}[{name}]"
            yield Rule(key, condition.sql("duckdb"), condition, "matches no action", ACTIONS, hint=hint)


def _of_events(key: str, where: str) -> Rule:
    return Rule(key, where, parse_condition(where, EVENT_CONDITION_COLUMNS, key=key))


def _of_name(key: str, name: str) -> Rule:
    condition = exp.EQ(this=exp.column("event_name"), expression=exp.Literal.string(name))
    return Rule(key, condition.sql("duckdb"), condition)


def _is_known(value: exp.Expression) -> exp.Expression:
    return exp.Not(this=exp.Is(this=exp.paren(value.copy()), expression=exp.Null()))


def _added(names: Iterable[str], packaged: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name not in set(packaged)]

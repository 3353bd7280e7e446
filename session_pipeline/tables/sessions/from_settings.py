"""Provides what the models of sessions read from the settings: persons and fold rules as SQL, names as small tables."""

import re

from sqlglot import exp

from session_pipeline.reference.small_table import SmallTable
from session_pipeline.reference.user_agents import LOOKED_AT_CHARACTERS
from session_pipeline.settings import Settings
from session_pipeline.tables.settings_sql import text_sql


def raw_events_of_persons(settings: Settings) -> str:
    """Return SQL that adds `person_id` to raw events: whose sessions they are in, the visitor's or a person's."""
    if not settings.identity.is_by_person:
        return "select *, visitor_id as person_id from stored_raw_events"
    return (
        "select e.*, coalesce(i.person_id, e.visitor_id) as person_id from stored_raw_events as e"
        " left join day_parts as d on e.utc_date = d.utc_date"
        " and e.event_time >= d.day_start and e.event_time < d.day_end"
        " left join day_identities as i on d.event_date = i.event_date and e.site = i.site"
        " and e.visitor_id = i.visitor_id and coalesce(e.user_id, '') = i.carried_user_id"
    )


def paged_events(settings: Settings) -> str:
    """Return SQL that adds `action_page` to events: the page path and parameters that an action depends on.

    It is '' for events that are not page views, and for page views without a path.
    """
    page = page_of_action(settings, "coalesce(page_path, '')")
    return f"select *, case when event_name = 'page_view' then {page} else '' end as action_page from events"


def page_of_action(settings: Settings, path: str = "page_path") -> str:
    """Return SQL for the page path of an event with the parameters that belong to an action.

    Args:
        settings: The settings.
        path: SQL for the path.
    """
    parameters = _parameters(settings)
    return f"{path} || {parameters}" if parameters else path


def _parameters(settings: Settings) -> str:
    """Return SQL for the query parameters in an action, such as '?page=2'; '' if the settings name none."""
    values = []
    for name in settings.actions.query_parameters:
        pattern = text_sql(f"^[^#?]*[?](?:[^#&]*&)*?{re.escape(name)}=([^&#]+)")
        value = f"regexp_extract(page_url, {pattern}, 1)"
        values.append(f"case when {value} <> '' then {text_sql(f'{name}=')} || {value} end")
    if not values:
        return ""
    joined = f"concat_ws('&', {', '.join(values)})"
    return f"case when {joined} <> '' then '?' || {joined} else '' end"


def folded(settings: Settings) -> str:
    """Return SQL for the action of page_path, after the fold rules in their order."""
    action: exp.Expression = exp.column("page_path")
    for rule in settings.actions.fold:
        action = exp.RegexpReplace(
            this=action,
            expression=exp.Literal.string(rule.pattern),
            replacement=exp.Literal.string(rule.replacement),
            modifiers=exp.Literal.string("g"),
        )
    return f"coalesce(nullif({action.sql('duckdb')}, ''), '/')"


def folded_page(settings: Settings, page: str) -> str:
    """Return SQL for the action of a page: page_path after the fold rules, then the parameters of the page."""
    return f"{folded(settings)} || substring({page}, length(page_path) + 1)"


def folded_paths(settings: Settings) -> str:
    """Return SQL that gives each page of the day's page views with its action: (page_path, action)."""
    return (
        f"select action_page as page_path, {folded_page(settings, 'action_page')} as action"
        " from (select distinct page_path, action_page from paged_events"
        " where event_name = 'page_view' and page_path is not null) as paths"
    )


def ruled_agents(settings: Settings) -> str:
    """Return SQL that adds to classified user agents what the settings say: (own_reason, is_exception)."""
    agent = f"left(user_agent, {LOOKED_AT_CHARACTERS})"
    cases = " ".join(
        f"when regexp_matches({agent}, {text_sql(pattern)}) then {text_sql(f'settings: {pattern}')}"
        for pattern in settings.bots.patterns
    )
    exceptions = " or ".join(f"regexp_matches({agent}, {text_sql(pattern)})" for pattern in settings.bots.exceptions)
    reason = f"case {cases} end" if cases else "cast(null as varchar)"
    return f"select *, {reason} as own_reason, {exceptions or 'false'} as is_exception from classified_agents"


def ignored_events(settings: Settings) -> SmallTable:
    """Return the events that are not actions: (event_name)."""
    return _event_names(settings.actions.ignored_events)


def passive_events(settings: Settings) -> SmallTable:
    """Return the events that are not interactions: (event_name)."""
    return _event_names(settings.sessions.passive_events)


def _event_names(names: tuple[str, ...]) -> SmallTable:
    return SmallTable({"event_name": "VARCHAR"}, [{"event_name": name} for name in sorted(set(names))])

"""Provides what the models of sessions read from the settings: fold rules as SQL, event names as small tables."""

from sqlglot import exp

from session_pipeline.reference.small_table import SmallTable
from session_pipeline.settings import Settings


def folded(settings: Settings) -> str:
    """Returns SQL for the action of page_path, after the fold rules in their order."""
    action: exp.Expression = exp.column("page_path")
    for rule in settings.actions.fold:
        action = exp.RegexpReplace(
            this=action,
            expression=exp.Literal.string(rule.pattern),
            replacement=exp.Literal.string(rule.replacement),
            modifiers=exp.Literal.string("g"),
        )
    return f"coalesce(nullif({action.sql('duckdb')}, ''), '/')"


def folded_paths(settings: Settings) -> str:
    """Returns SQL that gives each page path of the day's page views with its action: (page_path, action)."""
    return (
        f"select page_path, {folded(settings)} as action from ("
        "select distinct page_path from events where event_name = 'page_view' and page_path is not null) as paths"
    )


def ignored_events(settings: Settings) -> SmallTable:
    """Returns the events that are not actions: (event_name)."""
    return _event_names(settings.actions.ignored_events)


def passive_events(settings: Settings) -> SmallTable:
    """Returns the events that are not interactions: (event_name)."""
    return _event_names(settings.sessions.passive_events)


def _event_names(names: tuple[str, ...]) -> SmallTable:
    return SmallTable({"event_name": "VARCHAR"}, [{"event_name": name} for name in sorted(set(names))])

"""Provides what the models of friction read from the settings: events with their kinds, folded pages, signals."""

from session_pipeline.reference.signals import HARD_TIME_SIGNALS, SIGNALS
from session_pipeline.reference.small_table import SmallTable
from session_pipeline.settings import Settings
from session_pipeline.tables.sessions.from_settings import folded_page, page_of_action
from session_pipeline.tables.settings_sql import event_condition, number_sql


def events_with_pages(settings: Settings) -> str:
    """Return SQL that adds to events their page: page_path and the parameters that belong to an action."""
    return f"select *, {page_of_action(settings)} as page from events"


def marked_events(settings: Settings) -> str:
    """Return SQL that adds to events which kinds they are of, and the forms that they start or submit.

    form_marks lists the number of each form that the event starts, from 1, and minus the number of each form that it
    submits; null if there is none.
    """
    friction = settings.friction
    kinds = {
        "is_click": event_condition(friction.click, "friction.click"),
        "is_results_page": event_condition(friction.search_results, "friction.search_results"),
        "is_submit": event_condition(friction.submit, "friction.submit"),
        "is_error": event_condition(friction.error, "friction.error"),
    }
    marks = {
        sign * number: event_condition(condition, f"friction.forms[{number - 1}].{name}")
        for number, form in enumerate(friction.forms, start=1)
        for sign, name, condition in ((1, "start", form.start), (-1, "submit", form.submit))
    }
    columns = ", ".join(f"coalesce({condition}, false) as {name}" for name, condition in kinds.items())
    return f"select *, {columns}, {_marks(marks)} as form_marks from events_with_pages"


def page_actions(settings: Settings) -> str:
    """Return SQL that gives the page of each event with the action of a view of the page: (page, action)."""
    action = folded_page(settings, "page")
    pages = "(select distinct page_path, page from events_with_pages where page_path is not null) as pages"
    return f"select page, {action} as action from {pages}"


def friction_signals(settings: Settings) -> SmallTable:
    """Return the signals that are looked for, and whether they mean a hard time: (signal, is_hard_time)."""
    rows = [
        {"signal": signal, "is_hard_time": signal in HARD_TIME_SIGNALS}
        for signal in SIGNALS
        if signal in settings.friction.signals
    ]
    return SmallTable({"signal": "VARCHAR", "is_hard_time": "BOOLEAN"}, rows)


def _marks(marks: dict[int, str]) -> str:
    if not marks:
        return "cast(null as bigint[])"
    met = ", ".join(f"case when {condition} then {number_sql(mark)} end" for mark, condition in marks.items())
    any_met = " or ".join(f"({condition})" for condition in marks.values())
    return f"case when {any_met} then list_filter([{met}], lambda mark: mark is not null) end"

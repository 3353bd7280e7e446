"""Checks the counts of actions and progress, and warns about the alerts of progress_changes and outcome_changes."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from session_pipeline.checks.verdict import SHOWN, Verdict, rows_by_stretch, rows_of, verdict
from session_pipeline.engines.sql import query_text
from session_pipeline.reference.changes import ALERT_DAYS, is_worse
from session_pipeline.reference.days import ONE_DAY, dates
from session_pipeline.report import lost_values, sites
from session_pipeline.report.figures import filled
from session_pipeline.tables.changes.phrases import drop_text, outcome_text

if TYPE_CHECKING:  # slow to load; commands that only look need no run
    from session_pipeline.run.run import Run


def progress_adds_up(run: "Run", days: Sequence[date]) -> Verdict:
    """The values of a dimension have all sessions of an action, and no step has more sessions than its action."""
    wrong = rows_by_stretch(run, days, "wrong_progress", ("action_visits", "action_progress"))
    problems = [f"{row['session_date']}: the counts of actions do not add up" for row in wrong]
    return verdict(problems, "the counts of actions and of progress add up")


def progress_alerts(run: "Run", days: Sequence[date]) -> Verdict:
    """No step is taken much less often than before: progress_changes has no alert in the last 14 days."""
    if not days:
        return Verdict(True, "there are no days to look at")
    tables = ("progress_changes", "action_visits")
    alerts = rows_of(run, query_text(__package__, "progress_alerts"), tables, _days_of_alerts(days))
    if not alerts:
        return Verdict(True, "no step is taken much less often than before", {"alerts": 0})
    values = [lost_values.of_step(alert) for alert in alerts]
    currencies = lost_values.currencies_of(partial(_currencies, run), values)
    for alert, lost in zip(alerts, values, strict=True):
        alert["sentence"] = currencies.in_sentence(alert["sentence"], lost)
    alerts = currencies.ordered(alerts, values, "associated_lost")
    problems = [
        drop_text((alert["dimension"], alert["dimension_value"]), alert["action"], alert["next_action"])
        for alert in alerts
    ]
    return _warning(alerts, problems)


def outcome_alerts(run: "Run", days: Sequence[date]) -> Verdict:
    """Visits end as well as before: outcome_changes has no alert in the last 14 days that is bad news."""
    if not days:
        return Verdict(True, "there are no days to look at")
    read = _days_of_alerts(days)
    found = rows_of(run, query_text(__package__, "outcome_alerts"), ["outcome_changes"], read)
    conversions = run.settings.conversions
    alerts = [row for row in found if is_worse(row, conversions)]
    if not alerts:
        return Verdict(True, "visits end as well as before", {"alerts": 0})
    found_sites = rows_of(run, "select distinct site from daily_summary", ["daily_summary"], read)
    alerts = [{**alert, "has_several_sites": len(found_sites) > 1} for alert in alerts]
    problems = [
        outcome_text((alert["dimension"], alert["dimension_value"]), alert["outcome"], alert["score"])
        for alert in alerts
    ]
    return _warning(alerts, problems)


def _days_of_alerts(days: Sequence[date]) -> list[date]:
    """Return the 14 days whose alerts are looked at."""
    return list(dates(max(days) - (ALERT_DAYS - 1) * ONE_DAY, max(days)))


def _warning(alerts: Sequence[Mapping[str, Any]], problems: Sequence[str]) -> Verdict:
    """Return the verdict about alerts.

    Args:
        alerts: The alerts, the most important first.
        problems: What each is about, without figures: they change from day to day, and an alert is sent once.
    """
    sentences = [
        sites.on_site(alert["site"], alert["sentence"]) if alert["has_several_sites"] else alert["sentence"]
        for alert in alerts
    ]
    more = f" And {len(sentences) - SHOWN} more." if len(sentences) > SHOWN else ""
    named = [f"{problem} (site {alert['site']})" for problem, alert in zip(problems, alerts, strict=True)]
    return Verdict(False, " ".join(sentences[:SHOWN]) + more, {"alerts": len(alerts)}, tuple(named))


def _currencies(run: "Run", days: Mapping[str, date]) -> list[dict[str, Any]]:
    """Return the currencies of conversions, by site and day. Only alerts with a value need them."""
    read = list(dates(days["first_day"], days["last_day"]))
    return rows_of(run, filled(lost_values.QUERY, days), ["session_outcomes"], read)

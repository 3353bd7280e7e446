"""Checks the counts of actions and progress, and warns about the alerts of progress_changes."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from session_pipeline.checks.verdict import SHOWN, Verdict, add_input, rows_by_stretch, verdict
from session_pipeline.engines.sql import query_text
from session_pipeline.reference.changes import ALERT_DAYS
from session_pipeline.reference.days import ONE_DAY, dates
from session_pipeline.report import lost_values
from session_pipeline.report.figures import filled
from session_pipeline.tables.changes.sentences import drop_text

if TYPE_CHECKING:  # slow to load; commands that only look need no run
    from session_pipeline.run.pipeline import Run


def progress_adds_up(run: "Run", days: Sequence[date]) -> Verdict:
    """The values of a dimension have all sessions of an action, and no step has more sessions than its action."""
    wrong = rows_by_stretch(run, days, "wrong_progress", ("action_visits", "action_progress"))
    problems = [f"{row['session_date']}: the counts of actions do not add up" for row in wrong]
    return verdict(problems, "the counts of actions and of progress add up")


def progress_alerts(run: "Run", days: Sequence[date]) -> Verdict:
    """No step is taken much less often than before: progress_changes has no alert in the last 14 days."""
    if not days:
        return Verdict(True, "there are no days to look at")
    last = max(days)
    with run.engine.job() as job:
        for name in ("progress_changes", "action_visits"):
            add_input(job, run, name, dates(last - (ALERT_DAYS - 1) * ONE_DAY, last))
        alerts = job.rows(query_text(__package__, "progress_alerts")).to_pylist()
    if not alerts:
        return Verdict(True, "no step is taken much less often than before", {"alerts": 0})
    values = [lost_values.of_step(alert) for alert in alerts]
    currencies = lost_values.currencies_of(partial(_currencies, run), values)
    for alert, lost in zip(alerts, values, strict=True):
        alert["sentence"] = currencies.in_sentence(alert["sentence"], lost)
    alerts = currencies.ordered(alerts, values, "associated_lost")
    sentences = [
        (f"On site {alert['site']}: " if alert["has_several_sites"] else "") + alert["sentence"] for alert in alerts
    ]
    more = f" And {len(sentences) - SHOWN} more." if len(sentences) > SHOWN else ""
    # Figures change from day to day. An alert is sent once, so its problem only names the step.
    problems = [
        drop_text((alert["dimension"], alert["dimension_value"]), alert["action"], alert["next_action"])
        + f" (site {alert['site']})"
        for alert in alerts
    ]
    return Verdict(False, " ".join(sentences[:SHOWN]) + more, {"alerts": len(alerts)}, tuple(problems))


def _currencies(run: "Run", days: Mapping[str, date]) -> list[dict[str, Any]]:
    """Return the currencies of conversions, by site and day. Only alerts with a value need them."""
    with run.engine.job() as job:
        add_input(job, run, "session_outcomes", dates(days["first_day"], days["last_day"]))
        rows: list[dict[str, Any]] = job.rows(filled(lost_values.QUERY, days)).to_pylist()
    return rows

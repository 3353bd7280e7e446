"""Defines the glossary of the report: the words of the page and their meanings."""

from collections.abc import Mapping, Sequence

from session_pipeline.reference import columns as c
from session_pipeline.reference.changes import BASE_DAYS, WINDOWS
from session_pipeline.reference.signals import HARD_TIME_SIGNALS, Signal
from session_pipeline.report.formats import counted, duration, in_visits
from session_pipeline.settings.friction import FrictionSettings

DIFFICULTIES: Mapping[Signal, str] = {
    "error": "an error",
    "error_loop": "an error",
    "rage_click": "repeated clicks",
    "u_turn": "a step back",
    "back_track": "a step back",
    "repeat": "a repeated action",
    "repeated_search": "a repeated search",
    "repeated_submit": "a form that is sent twice",
}


def glossary(settings: FrictionSettings) -> Sequence[tuple[str, str]]:
    """Return the terms of the page with their meanings. Of friction, these are the signals that are looked for."""
    return (
        (
            "Visit",
            "Consecutive events of a visitor. It belongs to the day on which it starts. Tables call it a session.",
        ),
        ("Visitor", "Who visits, as identified by the source: a cookie or device id. Unique within its site."),
        ("New visitor", "A visitor whose first known day is the day of the visit. All others came on an earlier day."),
        ("Outcome", in_visits(c.OUTCOME.meaning)),
        (
            "Engaged",
            (
                "As an outcome: a visit with enough page views, an interaction, or enough engaged seconds (see "
                "settings) that ended with none of the outcomes above it."
            ),
        ),
        (
            "Bounce",
            (
                "A visit that is not engaged (few page views, no interaction, little time) and ended with no other "
                "outcome."
            ),
        ),
        ("Converted", in_visits(c.CONVERTED_COUNT.meaning)),
        ("Conversion rate", "Converted visits as a share of all visits."),
        ("Value", "Sum of the values of converted visits, separate for each currency."),
        ("Hard time", _hard_time(settings)),
        ("Change (pp)", "Share in the week minus share in the week before, in percentage points."),
        (
            "Significant change",
            "Chance alone causes a change this large in fewer than 5 of 100 cases. Others are grey.",
        ),
        ("Difficulty", _difficulty(settings)),
        (
            "Missing",
            (
                "What there would be more if visits went on as often as before. An estimate: nothing says that "
                "the difference is a loss."
            ),
        ),
        (
            "Found change",
            (
                f"A step or outcome that left its usual range, in the {min(WINDOWS)} to {max(WINDOWS)} days that end "
                f"with a day, compared with the {BASE_DAYS} days before them."
            ),
        ),
        ("Action", in_visits(c.ACTION.meaning)),
        (
            "Path",
            (
                "The actions of a visit in order. An action that is repeated immediately counts once, and rare "
                "actions are replaced by their kind, such as /product/… for a page of that folder."
            ),
        ),
        ("/folder/…", "All pages of a folder, in paths; in other tables of a folder with more than five pages there."),
        (
            "Funnel",
            "Steps in a fixed order; other events can occur between them, unless the words beside its name say "
            "something else. Rates are shares of attempts that entered.",
        ),
        ("Largest loss", "The step of a funnel after which most attempts ended."),
        ("95 % interval", "Wilson interval: if only chance varies, it contains the true rate in 95 of 100 weeks."),
        ("Channel", in_visits(c.CHANNEL.meaning)),
        ("Device", "Desktop, mobile, tablet, tv or other, as the browser says."),
        (
            "Bot",
            "A visit with an event from a bot, by the user agent or by a rule in the settings. Counts exclude bots.",
        ),
        ("Duplicate", "A line that repeats an event. The event counts once; the copy is in duplicate_events."),
        ("Late", in_visits(c.LATE_EVENT_COUNT.meaning)),
        ("Quarantined", "A line that is not a valid event. It is kept in quarantined_lines with the reason."),
        ("Final", "A day whose visits are all complete."),
    )


def _hard_time(settings: FrictionSettings) -> str:
    burst = duration(settings.rage_click_seconds)
    meanings: Mapping[Signal, str] = {
        "rage_click": f"{settings.rage_click_clicks} clicks on one element within {burst}",
        "u_turn": f"a return from a page within {duration(settings.u_turn_seconds)}",
        "repeated_search": "a search that is repeated with another term before a result is opened",
        "error": "an error",
        "error_loop": f"two errors within {counted(settings.error_loop_actions, 'action')}",
        "abandoned_form": "a form that is started and not sent",
    }
    found = [meanings[signal] for signal in HARD_TIME_SIGNALS if signal in settings.signals]
    if not found:
        return "A visit that shows a difficulty. [friction] signals in the settings has none that counts."
    return f"A visit with {_either(found)}."


def _difficulty(settings: FrictionSettings) -> str:
    found = dict.fromkeys(meaning for signal, meaning in DIFFICULTIES.items() if signal in settings.signals)
    if not found:
        return "What is compared with the same moment of other visits. [friction] signals in the settings has none."
    text = _either(list(found))
    return (
        f"{text[0].upper()}{text[1:]}. It is compared with the same moment of other visits without it; only some of "
        "these are a hard time."
    )


def _either(meanings: Sequence[str]) -> str:
    """Join meanings as one of several: a, b or c."""
    *first, last = meanings
    return f"{', '.join(first)} or {last}" if first else last

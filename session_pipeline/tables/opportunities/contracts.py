"""Defines the tables of opportunities and next best actions, and the daily counts that they are summed from.

All figures are associations of sessions at the same moment, not effects. docs/definitions.md defines a moment.
"""

from session_pipeline.reference import columns as c
from session_pipeline.reference.column import Column, count, flag, rate, text
from session_pipeline.tables.contract import Table

POSITION_BUCKET = count(
    "position_bucket",
    "Bucket of the action's position in the session, named by its first position: 1, 2, 3, 4 (to 5), 6 (to 8), "
    "9 (to 13) or 14 (and later).",
)
STAGE = count(
    "stage",
    "How far the session was before: the deepest step of each funnel whose condition an earlier event met, added up "
    "over all funnels. 0 before the first step.",
)
MOMENT_DEVICE = text("device", "Device of the session; '(none)' without a user agent.")
DIFFERENCE = Column(
    "difference",
    "DOUBLE",
    "Difference of the two rates (Mantel-Haenszel), negative if fewer converted; rounded to 6 digits. An association.",
)
DIFFERENCE_LOW = Column("difference_low", "DOUBLE", "Lower bound of the 95 % interval of difference (Sato); 6 digits.")
DIFFERENCE_HIGH = Column(
    "difference_high", "DOUBLE", "Upper bound of the 95 % interval of difference (Sato); 6 digits."
)
SCORE = Column("score", "DOUBLE", "Signed root of the test's statistic, about a normal deviate; rounded to 4 digits.")
Q_VALUE = rate(
    "q_value",
    "Share of wrong findings to expect among the rows of the window up to this one (Benjamini-Yekutieli); 6 digits.",
)
IS_SIGNIFICANT = flag(
    "is_significant", "Whether q_value is at most 0.05 and score at least 2.5 in the direction that is looked for."
)
SEGMENT = text(
    "segment", "Always '(all)': the device is part of a moment, so a row compares the sessions of all devices."
)
COMPARED_SESSION_COUNT = "Sessions that are compared, once for each of their moments: {} + {}."
EXAMPLE_SESSION_IDS = text(
    "example_session_ids",
    "Up to three sessions that show the row, the latest first, separated by spaces: with the signal and not converted "
    "later, or converted after both actions. Null if there is none. See `show`.",
    is_personal=True,
)

TABLES: tuple[Table, ...] = (
    Table(
        name="moment_counts",
        grain="One row is a moment (a site, action, position, stage and device) and a signal that has occurred "
        "by then; '' counts all sessions.",
        date_column="session_date",
        key=("site", "action", "position_bucket", "stage", "device", "signal", "signal_action"),
        is_published=False,
        columns=(
            c.SITE,
            c.ACTION,
            POSITION_BUCKET,
            STAGE,
            MOMENT_DEVICE,
            text("signal", "Signal of friction; '' for all sessions at the moment."),
            text("signal_action", "Action of the signal in session_friction, such as the page that a U-turn left."),
            count("session_count", "Sessions in which the signal first occurs at the moment; without bots."),
            count("converted_count", "Of session_count, those that converted later."),
            count("excluded_count", "Sessions at the moment in which the signal had occurred by then."),
            count("excluded_converted_count", "Of excluded_count, those that converted later."),
            Column("value", "DECIMAL(38,6)", "Value of the conversions after the moment; null for a signal."),
            text(
                "example_session_id",
                "Lowest id of session_count that did not convert later; null for signal ''.",
                is_personal=True,
            ),
        ),
    ),
    Table(
        name="seen_counts",
        grain="One row is a first time at an action (at a position, stage and device) and an action seen before it; "
        "'' counts all sessions.",
        date_column="session_date",
        key=("site", "at_action", "position_bucket", "stage", "device", "seen_action"),
        is_published=False,
        columns=(
            c.SITE,
            text("at_action", "Action that the session did for the first time."),
            POSITION_BUCKET,
            STAGE,
            MOMENT_DEVICE,
            text("seen_action", "Action that the session did before; '' for all sessions."),
            flag(
                "is_milestone",
                "Whether an event of at_action met a funnel step, or was the conversion of its session, on that day.",
            ),
            count("session_count", "Sessions that did it before, without bots."),
            count("converted_count", "Of session_count, those that converted later."),
            text(
                "example_session_id",
                "Lowest id of converted_count; null without one, and for seen_action ''.",
                is_personal=True,
            ),
        ),
    ),
    Table(
        name="opportunities",
        grain="One row is a signal of friction at an action, compared with sessions without it at the same moment.",
        date_column="session_date",
        key=("site", "window_days", "action", "signal"),
        own_order=("site", "window_days", "rank"),
        columns=(
            c.SITE,
            c.WINDOW_DAYS,
            c.RANK,
            SEGMENT,
            text("action", "Action of the signal, as in session_friction."),
            text(
                "signal", "Signal of friction, as in session_friction, except dead_end, abandoned_form and long_dwell."
            ),
            count("session_count", COMPARED_SESSION_COUNT.format("with_count", "without_count")),
            count("with_count", "Sessions with the signal at the action, each at its first; at comparable moments."),
            count("with_converted_count", "Of with_count, those that converted later."),
            count(
                "without_count",
                "Sessions at the same moments in which it had not occurred by then, on days that count the action; "
                "once for each moment.",
            ),
            count("without_converted_count", "Of without_count, those that converted later."),
            rate("rate_with", "Share of the sessions with the signal that converted later, averaged over moments."),
            rate("rate_without", "Share of the sessions without it that converted later, with the same weights."),
            DIFFERENCE,
            DIFFERENCE_LOW,
            DIFFERENCE_HIGH,
            Column(
                "associated_lost_conversions",
                "DOUBLE",
                "Conversions that with_count would have had more at rate_without: -difference * with_count; 3 digits.",
            ),
            Column("low", "DOUBLE", "Lower bound of the 95 % interval of associated_lost_conversions; 3 digits."),
            Column("high", "DOUBLE", "Upper bound of the 95 % interval of associated_lost_conversions; 3 digits."),
            Column(
                "associated_lost_value",
                "DOUBLE",
                "associated_lost_conversions times the mean value that a session's conversions after these moments "
                "have; 2 digits. Null if none has a value.",
            ),
            SCORE,
            Q_VALUE,
            IS_SIGNIFICANT,
            c.SENTENCE,
            EXAMPLE_SESSION_IDS,
        ),
    ),
    Table(
        name="next_best_actions",
        grain="One row is an action and an action seen before it, compared with sessions that had not seen it.",
        date_column="session_date",
        key=("site", "window_days", "at_action", "seen_action"),
        own_order=("site", "window_days", "rank"),
        columns=(
            c.SITE,
            c.WINDOW_DAYS,
            c.RANK,
            SEGMENT,
            text("at_action", "Action that the sessions did for the first time."),
            text(
                "seen_action", "Action that some of them had done before; never one that was a milestone in the window."
            ),
            count("session_count", COMPARED_SESSION_COUNT.format("seen_count", "unseen_count")),
            count("seen_count", "Sessions that had done it, at comparable moments."),
            count("seen_converted_count", "Of seen_count, those that converted later."),
            count(
                "unseen_count", "Sessions at the same moments, on days that count seen_action, that had not done it."
            ),
            count("unseen_converted_count", "Of unseen_count, those that converted later."),
            rate("rate_seen", "Share of the sessions that had done it that converted later, averaged over moments."),
            rate("rate_unseen", "Share of the other sessions that converted later, with the same weights."),
            Column("lift", "DOUBLE", "rate_seen / rate_unseen, rounded to 6 digits; null if rate_unseen is 0."),
            Column(
                "low",
                "DOUBLE",
                "Lower bound of the 95 % interval of lift: (rate_unseen + difference_low) / rate_unseen, at least 0; "
                "6 digits. Null if lift is null.",
            ),
            Column(
                "high",
                "DOUBLE",
                "Upper bound of the 95 % interval of lift: (rate_unseen + difference_high) / rate_unseen, at most "
                "1 / rate_unseen; 6 digits. Null if lift is null.",
            ),
            DIFFERENCE,
            DIFFERENCE_LOW,
            DIFFERENCE_HIGH,
            SCORE,
            Q_VALUE,
            IS_SIGNIFICANT,
            c.SENTENCE,
            EXAMPLE_SESSION_IDS,
        ),
    ),
)

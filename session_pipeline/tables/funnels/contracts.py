"""Defines the tables of funnels: events that meet a funnel step, attempts, their steps, and the counts of each step."""

from session_pipeline.reference import columns as c
from session_pipeline.reference.column import Column, count, flag, rate, text, time
from session_pipeline.tables.contract import Table

BREAKDOWN = text(
    "breakdown",
    "Value of the funnel's breakdown; '(all)' without a breakdown, '(none)' for null, '(not reached)' if the attempt "
    "did not reach the step that breakdown_at names. Values of several dimensions are joined by ' | ', and a | in one "
    "of them is doubled.",
)
ENTRY_EVENT_NUMBER = count("entry_event_number", "Position of the event that entered the funnel in its session.")
ENTRY_STEP = count("entry_step", "Step at which the attempt entered the funnel: 1, unless entry is any.")
ENTRY_ACTION_COUNT = count(
    "action_count",
    "Actions after the entry up to this step, or to the last step; null if not reached, or in another session.",
)
STEP_NUMBER = count("step_number", "Position of the step, from 1.")

TABLES: tuple[Table, ...] = (
    Table(
        name="funnel_events",
        grain="One row is an event of a session that starts on the day, and a funnel step or exclusion that it meets.",
        date_column="session_date",
        key=("funnel", "step_number", "session_id", "event_number"),
        own_order=("funnel", "site", "visitor_id", "event_time", "session_id", "event_number", "step_number"),
        is_published=False,
        columns=(
            c.FUNNEL,
            c.STEP_OR_EXCLUSION_NUMBER,
            c.SITE,
            c.VISITOR_ID,
            c.SESSION_ID,
            c.SESSION_DATE,
            c.EVENT_ID,
            c.EVENT_TIME,
            c.EVENT_NUMBER,
            c.POSITION,
            c.EVENT_VALUE,
            c.ACTION_NUMBER,
            c.NEXT_ACTION,
            text("next_action_2", "The action after next_action in the session; null if there is none."),
            text("next_action_3", "The action after next_action_2 in the session; null if there is none."),
            BREAKDOWN,
            c.IS_BOT,
            c.IS_COMPLETE,
        ),
    ),
    Table(
        name="funnel_entries",
        grain="One row is an attempt at a funnel.",
        date_column="entry_date",
        key=("funnel", "session_id", "entry_event_number", "entry_step"),
        own_order=("funnel", "site", "visitor_id", "entered_at", "session_id", "entry_event_number", "entry_step"),
        columns=(
            c.FUNNEL,
            count(
                "attempt_number",
                "Number of the attempt, from 1: of the session; with grain visitor or attempt, of the visitor on the "
                "day.",
            ),
            count(
                "attempt_count",
                "Attempts of the session, or of the visitor on the day, up to a conversion that is not excluded, "
                "including those that do not decide; 1 with grain attempt.",
            ),
            c.SITE,
            c.SESSION_ID,
            c.VISITOR_ID,
            BREAKDOWN,
            time("entered_at", "Time of the event that entered the funnel."),
            text("entry_event_id", "Event that entered the funnel.", is_personal=True),
            ENTRY_EVENT_NUMBER,
            ENTRY_STEP,
            count("step_reached", "Deepest step reached, from 1; in mode unordered: number of steps reached."),
            time("last_step_at", "Time of the event that reached the deepest step."),
            text(
                "dropped_to_action",
                "Action after the deepest step in its session; null if converted or if no action followed.",
            ),
            text("dropped_to_action_2", "The action after dropped_to_action; null if there is none."),
            text("dropped_to_action_3", "The action after dropped_to_action_2; null if there is none."),
            c.IS_CONVERTED,
            flag(
                "is_excluded",
                "Whether an exclusion of the funnel applied, also to a converted attempt. Excluded attempts are "
                "counted separately.",
            ),
            count(
                "exclusion_number",
                "Number of the exclusion that applied first, as in the settings, from 1; null if none did (in "
                "funnel_drops: 0).",
            ),
            flag(
                "is_window_closed",
                "Whether no later event can change the row: its sessions are complete, and no open attempt can "
                "change or replace it.",
            ),
            Column(
                "seconds_to_convert", "DOUBLE", "Time from entry to the last step, in seconds; null unless converted."
            ),
            ENTRY_ACTION_COUNT,
            Column(
                "value",
                "DECIMAL(18,6)",
                "Value of the event that reached the last step; null unless converted, or without one.",
            ),
            c.IS_BOT,
        ),
    ),
    Table(
        name="funnel_entry_steps",
        grain="One row is a step that an attempt of funnel_entries reached.",
        date_column="entry_date",
        key=("funnel", "session_id", "entry_event_number", "entry_step", "step_number"),
        is_published=False,
        columns=(
            c.FUNNEL,
            c.SITE,
            c.SESSION_ID,
            ENTRY_EVENT_NUMBER,
            ENTRY_STEP,
            STEP_NUMBER,
            time("reached_at", "Time of the event that reached the step."),
            Column(
                "seconds_from_step_before",
                "DOUBLE",
                "Time from the step that was reached before, in seconds; null at the entry.",
            ),
            ENTRY_ACTION_COUNT,
            c.EVENT_VALUE,
        ),
    ),
    Table(
        name="funnel_steps",
        grain="One row is a step of a funnel on a day of a site, by breakdown.",
        date_column="entry_date",
        key=("funnel", "site", "breakdown", "step_number"),
        columns=(
            c.FUNNEL,
            c.SITE,
            STEP_NUMBER,
            text("step", "Name of the step; in mode unordered the number of steps reached, such as '2 of 3'."),
            flag("is_optional", "Whether attempts can go on without this step."),
            BREAKDOWN,
            count("started_count", "Attempts that entered the funnel at this step, without bots."),
            count(
                "entered_count",
                "Attempts that reached this step, without bots; excluded attempts count at the step of their entry "
                "only.",
            ),
            count("reached_count", "Attempts that reached this step and are not excluded, without bots."),
            count(
                "dropped_count",
                "Attempts that reached this step and no further, without excluded attempts; 0 at the last step.",
            ),
            count(
                "excluded_count",
                "Attempts removed by an exclusion; counted at the step of their entry only, 0 at other steps.",
            ),
            c.CONVERSION_RATE,
            rate(
                "step_conversion_rate",
                "Share of the attempts at the previous required step that reached this step; 1 at the first step. "
                "Null if there were none.",
            ),
            c.LOW,
            c.HIGH,
            rate("step_low", "Lower bound of the 95 % Wilson interval of step_conversion_rate; null where it is null."),
            rate(
                "step_high", "Upper bound of the 95 % Wilson interval of step_conversion_rate; null where it is null."
            ),
            c.MEDIAN_SECONDS_OF_STEP,
            c.P90_SECONDS_OF_STEP,
            Column(
                "value",
                "DECIMAL(38,6)",
                "Sum of the values of the events that reached this step, of all currencies; null if none has a value.",
            ),
            count(
                "attempt_count",
                "Sum of attempt_count in funnel_entries over the sessions or visitors that reached this step.",
            ),
            count(
                "action_count",
                "Actions after the entry up to this step, in total over the attempts that reached it; null if none "
                "is known.",
            ),
        ),
    ),
    Table(
        name="funnel_drops",
        grain="One row is an action that followed where attempts at a funnel ended, on a day of a site, by breakdown. "
        "Each day names only its ten most frequent actions, so sums over days can be too low: for exact ones, count "
        "funnel_entries.",
        date_column="entry_date",
        key=("funnel", "site", "breakdown", "step_number", "exclusion_number", "next_number", "action"),
        own_order=("funnel", "site", "breakdown", "step_number", "exclusion_number", "next_number", "rank"),
        columns=(
            c.FUNNEL,
            c.SITE,
            BREAKDOWN,
            STEP_NUMBER,
            count(
                "exclusion_number",
                "0 for attempts that dropped out (in funnel_entries: null); for excluded ones, the exclusion's number.",
            ),
            count("next_number", "1 for the action that followed, 2 and 3 for those after it."),
            count("rank", "Rank of the action by attempt_count, from 1; '(other)' comes last."),
            text(
                "action",
                "Action that followed in the session; '(other)' beyond the ten most frequent ones of the day, "
                "'(none)' if nothing followed in that session, or if an excluded attempt reached the last step. The "
                "visitor may have come back in a later session. An action whose own name begins with a bracket is "
                "written 'action (none)'.",
            ),
            count("attempt_count", "Attempts that ended at the step and went on with the action."),
        ),
    ),
)

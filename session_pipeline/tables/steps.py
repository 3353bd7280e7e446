"""What is built from what: the steps of the pipeline in the order that the data takes.

A step gives one or more tables of a day, from the tables of that day and of days around it. Knows tables, days and
parameters. Does not know what is stale, and touches no file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import Enum
from functools import cached_property, partial

import pyarrow as pa

from session_pipeline.engines.duckdb import Job, Scalar
from session_pipeline.reference import channels, user_agents
from session_pipeline.reference.days import MICROSECOND, Calendar, dates
from session_pipeline.settings import Settings
from session_pipeline.tables import models, relations, table

CARRIED_MINUTES = 60  # ids kept this long before midnight are known to the next day
Z_95 = 1.959963984540054  # normal quantile of a two-sided 95 % interval


class Days(Enum):
    """Which dates of an input a step reads for its own day."""

    SAME = "the day itself"
    BEFORE = "the day before"
    UTC = "the UTC dates that overlap the day"
    REACH = "the day and those its sessions can reach into"
    END_OF_REACH = "the last day there is, when the day's sessions can reach beyond it"
    AROUND = "days whose sessions can hold events from the day on, to the end of the longest visitor window"
    REACHING = "days before whose sessions can hold events of the day"
    ALL = "all days"


@dataclass(frozen=True)
class Input:
    """A table that a step reads."""

    table: str
    days: Days = Days.SAME


@dataclass(frozen=True)
class Frame:
    """What a plan is made for: the settings, the days that are wanted, and the last day that counts."""

    settings: Settings
    calendar: Calendar
    wanted: tuple[date, ...]
    until: date

    @cached_property
    def _wanted(self) -> frozenset[date]:
        return frozenset(self.wanted)

    def is_wanted(self, day: date) -> bool:
        """Whether a local day is to be built."""
        return day in self._wanted

    def input_dates(self, what: Input, day: date | None) -> tuple[date, ...]:
        """The dates of an input that a step reads for a day."""
        if what.days is Days.ALL or day is None:
            return self.wanted
        if what.days is Days.SAME:
            return (day,)
        if what.days is Days.UTC:
            return self.calendar.utc_dates(day)
        if what.days is Days.BEFORE:
            return tuple(filter(self.is_wanted, (self.calendar.previous(day),)))
        if what.days is Days.REACH:
            return tuple(filter(self.is_wanted, self._reach(day)))
        if what.days is Days.REACHING:
            return tuple(filter(self.is_wanted, self._reaching(day)))
        if what.days is Days.END_OF_REACH:
            reach = self._reach(day)
            last = max(filter(self.is_wanted, reach))
            return () if last == reach[-1] else (last,)
        return tuple(filter(self.is_wanted, self._around(day)))

    def scalars(self, day: date) -> dict[str, Scalar]:
        """Every parameter that a model may read, for a day. Durations of sessions in the units that models compare."""
        sessions = self.settings.sessions
        return {
            "event_date": day,
            "session_date": day,
            "entry_date": day,
            "day_start": self.calendar.start(day),
            "day_end": self.calendar.end(day),
            "observed_until": min(self.calendar.end(self.until), self.calendar.end(day) + self.longest_visitor_window),
            "carried_minutes": CARRIED_MINUTES,
            "inactivity_minutes": sessions.inactivity_minutes,
            "max_microseconds": sessions.max_hours * 3_600_000_000,
            "split_at_midnight": sessions.split_at_midnight,
            "separator": sessions.separator,
            "split_on_client_session": sessions.split_on_client_session,
            "split_on_user": sessions.split_on_user,
            "split_on_campaign": sessions.split_on_campaign,
            "engaged_page_views": sessions.engaged_page_views,
            "engaged_microseconds": sessions.engaged_seconds * 1_000_000,
            "engaged_gap_microseconds": sessions.engaged_gap_seconds * 1_000_000,
            "z": Z_95,
        }

    @cached_property
    def longest_visitor_window(self) -> timedelta:
        """How far the funnels of grain visitor look forward."""
        windows = [funnel.window_seconds or 0 for funnel in self.settings.funnels if funnel.grain == "visitor"]
        return timedelta(seconds=max(windows, default=0))

    def _reach(self, day: date) -> tuple[date, ...]:
        span = timedelta(hours=self.settings.sessions.max_hours) - MICROSECOND
        return self.calendar.reach(day, span)

    def _reaching(self, day: date) -> tuple[date, ...]:
        """The days before whose sessions can hold events of the day."""
        before = self.calendar.previous(day)
        # A session lasts at most 24 hours, and a day at least 23.
        candidates = (self.calendar.previous(before), before)
        return tuple(earlier for earlier in candidates if day in self._reach(earlier))

    def _around(self, day: date) -> tuple[date, ...]:
        if not self.longest_visitor_window:
            return (day,)
        first = min((*self._reaching(day), day))
        last = self.calendar.local_date(self.calendar.end(day) - MICROSECOND + self.longest_visitor_window)
        return tuple(around for around in dates(first, last) if self.calendar.exists(around))


# Parameters that differ from day to day; all others are part of the recipe.
DAY_PARAMETERS = frozenset(("event_date", "session_date", "entry_date", "day_start", "day_end", "observed_until"))


@dataclass(frozen=True)
class Computation:
    """A model that is run once, for the models of the step's tables to read."""

    model: str
    name: str
    parameters: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class Log:
    """A table that keeps what each build changed in another; its model adds rows to those there are.

    The model reads the table as it was and as it is now (`<of>_before` and `<of>`), the log so far
    (`<table>_before`), the delivered files that are new to the build (`new_files`), and its inputs.

    Attributes:
        table: The log, and its model.
        of: Table of the step whose change is kept.
        inputs: What else it reads, by the name that the model has for it.
        is_from_the_first: Whether the first build of a day is a change, too: from nothing.
    """

    table: str
    of: str
    inputs: Mapping[str, Input] = field(default_factory=dict)
    is_from_the_first: bool = False


@dataclass(frozen=True)
class Step:
    """Tables that are built together.

    Attributes:
        name: Also the name of the Dagster op.
        tables: What it gives; each has a model of its name.
        inputs: What it reads.
        relations: Lists of the settings that its models read, from relations.py.
        lists: Small tables of the settings or the package that its models read.
        computed: Models that are run before those of the tables.
        rows: Tables that Python makes from the inputs, for what SQL cannot do.
        logs: What is kept of the changes that a build makes.
        logic_version: Raised when what Python does for it changes its rows.
    """

    name: str
    tables: tuple[str, ...]
    inputs: tuple[Input, ...]
    relations: Mapping[str, Callable[[Settings], str]] = field(default_factory=dict)
    lists: Mapping[str, Callable[[Settings], pa.Table]] = field(default_factory=dict)
    computed: Callable[[Settings], tuple[Computation, ...]] = lambda settings: ()
    rows: Callable[[Job, Mapping[str, Scalar]], Mapping[str, pa.Table]] | None = None
    logs: tuple[Log, ...] = ()
    logic_version: str = "1"

    @property
    def is_daily(self) -> bool:
        """Whether it is built day by day."""
        return table(self.tables[0]).date_column is not None

    def model_names(self, settings: Settings) -> tuple[str, ...]:
        """All models that it runs."""
        return (*(computation.model for computation in self.computed(settings)), *self.tables)

    def parameter_names(self, settings: Settings) -> frozenset[str]:
        """All parameters that its models read, without those that a computation sets itself."""
        own = {name for computation in self.computed(settings) for name in computation.parameters}
        read = frozenset().union(*(models.parameters(model) for model in self.model_names(settings)))
        return (read | (PYTHON_PARAMETERS if self.rows else frozenset())) - own


PYTHON_PARAMETERS = frozenset(("day_start", "day_end"))


def _classify_agents(job: Job, parameters: Mapping[str, Scalar]) -> Mapping[str, pa.Table]:
    distinct = job.rows(
        "select distinct user_agent from raw_events where user_agent is not null"
        f" and event_time >= timestamp '{parameters['day_start']}' and event_time < timestamp '{parameters['day_end']}'"
    )
    return {"classified_agents": user_agents.classify(distinct.column("user_agent").to_pylist())}


def _channel_table(name: str, settings: Settings) -> pa.Table:
    return channels.channel_tables()[name]


def _outcome_rules(settings: Settings) -> pa.Table:
    return pa.table(
        {
            "priority": pa.array(range(len(settings.outcomes)), pa.int64()),
            "outcome": pa.array([rule.name for rule in settings.outcomes], pa.string()),
            "is_conversion": pa.array([rule.is_conversion for rule in settings.outcomes], pa.bool_()),
        }
    )


def _names(names: tuple[str, ...]) -> pa.Table:
    return pa.table({"event_name": pa.array(sorted(set(names)), pa.string())})


def _funnels(settings: Settings) -> pa.Table:
    return pa.table(
        {
            "funnel": pa.array([funnel.name for funnel in settings.funnels], pa.string()),
            "grain": pa.array([funnel.grain for funnel in settings.funnels], pa.string()),
            "window_seconds": pa.array([funnel.window_seconds for funnel in settings.funnels], pa.int64()),
            "step_count": pa.array([len(funnel.steps) for funnel in settings.funnels], pa.int64()),
        }
    )


def _funnel_breakdowns(settings: Settings) -> pa.Table:
    return pa.table(
        {
            "funnel": pa.array([funnel.name for funnel in settings.funnels], pa.string()),
            "dimension": pa.array([funnel.breakdown for funnel in settings.funnels], pa.string()),
        }
    )


def _funnel_exclusions(settings: Settings) -> pa.Table:
    rows = [
        {
            "funnel": funnel.name,
            "step_number": -number,
            "after_step": exclusion.after_step,
            "before_step": exclusion.before_step,
        }
        for funnel in settings.funnels
        for number, exclusion in enumerate(funnel.exclusions, start=1)
    ]
    whole = [("step_number", pa.int64()), ("after_step", pa.int64()), ("before_step", pa.int64())]
    return pa.Table.from_pylist(rows, schema=pa.schema([("funnel", pa.string()), *whole]))


def _funnel_step_names(settings: Settings) -> pa.Table:
    rows = [
        {
            "funnel": funnel.name,
            "step_number": number,
            "step": step.name,
            "is_last": number == len(funnel.steps),
        }
        for funnel in settings.funnels
        for number, step in enumerate(funnel.steps, start=1)
    ]
    columns = [("funnel", pa.string()), ("step_number", pa.int64()), ("step", pa.string()), ("is_last", pa.bool_())]
    return pa.Table.from_pylist(rows, schema=pa.schema(columns))


def _reached_steps(settings: Settings) -> tuple[Computation, ...]:
    depth = max((len(funnel.steps) for funnel in settings.funnels), default=1)
    return (
        Computation("reached_steps", "reached_steps"),
        *(
            Computation("next_reached_steps", "reached_steps", {"step_number": number})
            for number in range(2, depth + 1)
        ),
    )


STEPS: tuple[Step, ...] = (
    Step(
        name="agents_seen",
        tables=("agents_seen",),
        inputs=(Input("raw_events", Days.UTC),),
        rows=_classify_agents,
        logic_version=user_agents.lists_fingerprint(),
    ),
    Step(
        name="sessionize",
        tables=("events", "duplicate_events", "open_sessions", "recent_event_ids"),
        inputs=(
            Input("raw_events", Days.UTC),
            Input("agents_seen"),
            Input("open_sessions", Days.BEFORE),
            Input("recent_event_ids", Days.BEFORE),
        ),
        computed=lambda settings: (
            Computation("repeated_events", "repeated_events"),
            Computation("sessionized", "sessionized"),
        ),
        logs=(
            Log(
                table="session_changes",
                of="events",
                inputs={
                    "earlier_events": Input("events", Days.REACHING),  # as they are now: days are built in order
                    "earlier_sessions": Input("sessions", Days.REACHING),  # as they were: they are built after events
                },
            ),
        ),
    ),
    Step(
        name="action_labels",
        tables=("action_labels",),
        inputs=(Input("events"),),
        relations={"folded_paths": relations.folded_paths},
        lists={
            "ignored_events": lambda settings: _names(settings.actions.ignored_events),
            "passive_events": lambda settings: _names(settings.sessions.passive_events),
        },
    ),
    Step(
        name="sessions",
        tables=("sessions",),
        inputs=(
            Input("events", Days.REACH),
            Input("action_labels", Days.REACH),
            Input("agents_seen"),
            Input("open_sessions", Days.END_OF_REACH),
        ),
        lists={name: partial(_channel_table, name) for name in channels.TABLE_NAMES},
        computed=lambda settings: (
            Computation("landings", "landings"),
            Computation("session_channels", "session_channels"),
        ),
    ),
    Step(
        name="session_actions",
        tables=("session_actions",),
        inputs=(Input("events", Days.REACH), Input("action_labels", Days.REACH), Input("sessions")),
    ),
    Step(
        name="session_outcomes",
        tables=("session_outcomes",),
        inputs=(Input("events", Days.REACH), Input("sessions")),
        relations={
            "outcome_events": relations.outcome_events,
            "outcome_sessions": relations.outcome_sessions,
        },
        lists={"outcome_rules": _outcome_rules},
    ),
    Step(
        name="session_goals",
        tables=("session_goals",),
        inputs=(Input("events", Days.REACH), Input("sessions")),
        relations={"goal_events": relations.goal_events},
    ),
    Step(
        name="session_dimensions",
        tables=("session_dimensions",),
        inputs=(Input("events", Days.REACH), Input("sessions")),
        relations={"dimension_values": relations.dimension_values},
    ),
    Step(
        name="daily_summary",
        tables=("daily_summary",),
        inputs=(
            Input("sessions"),
            Input("session_outcomes"),
            Input("events"),
            Input("duplicate_events"),
        ),
        logs=(Log(table="_day_history", of="daily_summary", is_from_the_first=True),),
    ),
    Step(
        name="daily_outcomes",
        tables=("daily_outcomes",),
        inputs=(Input("sessions"), Input("session_outcomes")),
    ),
    Step(
        name="daily_breakdowns",
        tables=("daily_breakdowns",),
        inputs=(Input("sessions"), Input("session_outcomes"), Input("session_dimensions")),
        relations={"breakdown_values": relations.breakdown_values},
    ),
    Step(
        name="funnel_events",
        tables=("funnel_events",),
        inputs=(
            Input("events", Days.REACH),
            Input("sessions"),
            Input("session_actions"),
            Input("session_dimensions"),
        ),
        relations={
            "step_events": relations.step_events,
            "session_breakdowns": relations.session_breakdowns,
        },
        lists={"funnel_breakdowns": _funnel_breakdowns},
    ),
    Step(
        name="funnel_entries",
        tables=("funnel_entries",),
        inputs=(Input("funnel_events", Days.AROUND),),
        lists={"funnels": _funnels, "funnel_exclusions": _funnel_exclusions},
        computed=_reached_steps,
    ),
    Step(
        name="funnel_steps",
        tables=("funnel_steps",),
        inputs=(Input("funnel_entries"),),
        lists={"funnel_step_names": _funnel_step_names},
    ),
    Step(
        name="user_agents",
        tables=("user_agents",),
        inputs=(Input("agents_seen", Days.ALL),),
    ),
)

STEP_OF_TABLE: Mapping[str, Step] = {name: step for step in STEPS for name in step.tables}
LOGS: tuple[Log, ...] = tuple(log for step in STEPS for log in step.logs)

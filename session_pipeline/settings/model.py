"""Defines the settings and the values that each of them can have. template.toml explains their meanings.

Sections have no defaults of their own, because the template contains them; entries of lists have defaults. Validates
single settings and combinations of settings. Larger sections have modules of their own; load.py reads the files.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from operator import attrgetter
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationInfo, field_validator, model_validator

from session_pipeline.reference.changes import WHOLE
from session_pipeline.settings.bots import BotSettings
from session_pipeline.settings.definitions import DefinitionsSettings, SessionDefinition, followed
from session_pipeline.settings.engine import EngineSettings
from session_pipeline.settings.friction import FrictionSettings
from session_pipeline.settings.funnels import SESSION_BREAKDOWNS, FunnelSettings, SessionBreakdown
from session_pipeline.settings.identity import IdentitySettings
from session_pipeline.settings.outcomes import GoalSettings, OutcomeSettings
from session_pipeline.settings.paths import MOST_PATTERNS, PathSettings, PatternSettings
from session_pipeline.settings.presets import packaged_names, with_preset
from session_pipeline.settings.privacy import SESSION_DAYS, PrivacySettings
from session_pipeline.settings.section import DAY_SECONDS, Section
from session_pipeline.settings.sources import KEYS_OF_ANY_FORMAT, SourceSettings
from session_pipeline.settings.values import (
    ClockTime,
    EventScalar,
    FoldPattern,
    Label,
    Listed,
    MemorySize,
    Name,
    QueryParameter,
    Replacement,
    SourceName,
    TimeZone,
    at_most,
    closest,
    distinct,
    refusal,
    shown,
)

LIFECYCLE = "lifecycle"  # of the visitor; a dimension of daily_breakdowns only
DailyBreakdown = Literal[SessionBreakdown, "lifecycle"]
ChangeDimension = Literal[
    "channel", "device", "browser", "os", "landing_action", "utm_source", "utm_medium", "utm_campaign"
]

# Each rule takes about 5 ms to read, and time in the scan of a day's events.
MOST_RULES = 2_000


class SessionSettings(Section):
    """When a session ends, and when it counts as engaged. A definition sets the rules of when it ends."""

    definition: SessionDefinition
    inactivity_minutes: int = Field(ge=1, le=720)
    at_border: Literal["stays", "starts"]
    max_hours: int = Field(ge=1, le=24)
    split_at_midnight: bool
    split_at_utc_hour: bool
    separator: str
    split_on_client_session: bool
    client_sessions: Literal["ignore", "key", "key_without_timeout"]
    split_on_user: bool
    split_on_campaign: bool
    split_on_new_campaign: bool
    engaged_seconds: int = Field(ge=1, le=DAY_SECONDS)
    engaged_page_views: int = Field(ge=1, le=1000)
    engaged_gap_seconds: int = Field(ge=1, le=DAY_SECONDS)
    passive_events: Annotated[tuple[Label, ...], Listed]

    @model_validator(mode="before")
    @classmethod
    def _follows_a_definition(cls, given: Any) -> Any:
        return followed(given) if isinstance(given, dict) else given

    @field_validator("max_hours")
    @classmethod
    def _check_max_hours(cls, hours: int, info: ValidationInfo) -> int:
        if hours * 60 < info.data.get("inactivity_minutes", 0):
            raise refusal(f"is {hours}, which is shorter than inactivity_minutes", "write a longer time")
        return hours


class FoldSettings(Section):
    """A rule that replaces a part of page paths, so that pages of the same kind are one action."""

    pattern: FoldPattern
    replacement: Replacement


class ActionSettings(Section):
    """The labels of events in paths."""

    fold: Annotated[tuple[FoldSettings, ...], Listed]
    ignored_events: Annotated[tuple[Label, ...], Listed]
    query_parameters: Annotated[tuple[QueryParameter, ...], Listed, distinct("query_parameters")]


def _condition_count(funnels: Iterable[object]) -> int:
    """Return the number of conditions of funnels that are not validated yet."""
    lists = [funnel.get(name) for funnel in funnels if isinstance(funnel, dict) for name in ("steps", "exclusions")]
    return sum(len(entries) for entries in lists if isinstance(entries, list))


class BreakdownSettings(Section):
    """The dimensions of daily_breakdowns, in addition to [dimensions]."""

    dimensions: Annotated[tuple[DailyBreakdown, ...], Listed, distinct("dimensions")]


class VisitorSettings(Section):
    """How long visitors are followed in retention. Each period is a row of each day's cohort."""

    retention_days: int = Field(ge=1, le=90)
    retention_weeks: int = Field(ge=1, le=52)


class ChangeSettings(Section):
    """The dimensions by which changes are looked for: packaged ones, and those in [dimensions] but the excluded."""

    dimensions: Annotated[tuple[ChangeDimension, ...], Listed, distinct("dimensions")]
    excluded_dimensions: Annotated[tuple[str, ...], Listed, distinct("excluded_dimensions")]

    @field_validator("excluded_dimensions")
    @classmethod
    def _check_excluded_dimensions(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        known = (info.context or {}).get("dimensions", names)
        for name in names:
            if name not in known:
                hint = closest(name, known) if known else "remove it"
                raise refusal(f"has {shown(name)}, which is not in [dimensions]", hint)
        return names


class AlertSettings(Section):
    """The command that receives alerts about failed runs and checks. It changes no rows."""

    command: Annotated[tuple[str, ...], Listed]
    time_limit_seconds: int = Field(ge=1, le=20)

    @field_validator("command", mode="before")
    @classmethod
    def _check_is_a_list(cls, command: Any) -> Any:
        if isinstance(command, str):
            raise refusal(
                f"is {shown(command)}", 'write a list, such as ["/usr/local/bin/alert", "--urgent"]; no shell is used'
            )
        return command

    @field_validator("command")
    @classmethod
    def _check_program(cls, command: tuple[str, ...]) -> tuple[str, ...]:
        if command and not command[0].strip():
            raise refusal("has no program", 'write the program first, such as ["/usr/local/bin/alert"]')
        if any("\0" in part for part in command):
            raise refusal("has a NUL character", "remove it")
        return command


class ResourceSettings(Section):
    """The resources that a run may use. They change no rows."""

    memory_limit: MemorySize
    threads: int = Field(ge=0, le=1024)


class HistorySettings(Section):
    """How long the run history is kept. This changes no rows."""

    keep_days: int = Field(ge=0, le=36_500)


class PublishSettings(Section):
    """How results are published. This changes no rows."""

    native_limit_gb: float = Field(ge=0)


class Settings(Section):
    """All settings of a data folder, with the packaged defaults for missing keys."""

    timezone: TimeZone
    start_date: date = Field(ge=date(1970, 1, 1), le=date(2100, 12, 31))
    include_today: bool
    daily_at: ClockTime
    max_rebuild_days: int = Field(ge=1)
    sessions: SessionSettings
    bots: BotSettings
    definitions: DefinitionsSettings
    actions: ActionSettings
    friction: FrictionSettings
    outcomes: Annotated[
        tuple[OutcomeSettings, ...],
        Listed,
        at_most(MOST_RULES, "outcomes"),
        distinct("outcomes", attrgetter("name")),
    ]
    goals: Annotated[
        tuple[GoalSettings, ...], Listed, at_most(MOST_RULES, "goals"), distinct("goals", attrgetter("name"))
    ]
    funnels: Annotated[
        tuple[FunnelSettings, ...],
        Listed,
        at_most(MOST_RULES, "steps and exclusions", _condition_count),
        distinct("funnels", attrgetter("name")),
    ]
    paths: PathSettings
    patterns: Annotated[
        tuple[PatternSettings, ...],
        Listed,
        at_most(MOST_PATTERNS, "patterns"),
        distinct("patterns", attrgetter("name")),
    ]
    dimensions: Annotated[Mapping[Name, EventScalar], at_most(MOST_RULES, "dimensions")]
    breakdowns: BreakdownSettings
    visitors: VisitorSettings
    identity: IdentitySettings
    changes: ChangeSettings
    sources: Mapping[SourceName, SourceSettings]
    privacy: PrivacySettings
    alerts: AlertSettings
    history: HistorySettings
    resources: ResourceSettings
    engine: EngineSettings
    publish: PublishSettings

    @field_validator("privacy")
    @classmethod
    def _check_raw_days(cls, privacy: PrivacySettings, info: ValidationInfo) -> PrivacySettings:
        funnels = info.data.get("funnels", ())
        windows = [funnel.window_seconds or 0 for funnel in funnels if not funnel.is_within_a_session]
        least = -(-max(windows, default=0) // DAY_SECONDS) + SESSION_DAYS
        if windows and 0 < privacy.keep_days.raw < least:
            raise refusal(
                f"has keep_days.raw = {privacy.keep_days.raw}, too short for the longest window of the funnels",
                f"write at least {least}, or shorten the window",
            )
        return privacy

    @field_validator("privacy")
    @classmethod
    def _check_kept_parameters(cls, privacy: PrivacySettings, info: ValidationInfo) -> PrivacySettings:
        needed = info.data["actions"].query_parameters if "actions" in info.data else ()
        if removed := [name for name in needed if name not in privacy.keep_query_parameters]:
            raise refusal(
                f"does not keep the query parameter {removed[0]}, which actions.query_parameters names",
                "add it to keep_query_parameters, or remove it there",
            )
        return privacy

    @field_validator("dimensions")
    @classmethod
    def _check_dimensions(cls, dimensions: Mapping[str, str]) -> Mapping[str, str]:
        if taken := sorted(dimensions.keys() & {*SESSION_BREAKDOWNS, *get_args(ChangeDimension)}):
            raise refusal(f"has {taken[0]}, which is already a column of sessions", "choose another name")
        if taken := sorted(dimensions.keys() & {LIFECYCLE, WHOLE[0]}):
            raise refusal(f"has {taken[0]}, which is a packaged dimension", "choose another name")
        return dimensions

    @property
    def conversions(self) -> frozenset[str]:
        """The names of the outcomes that are conversions."""
        return frozenset(rule.name for rule in self.outcomes if rule.is_conversion)

    def source(self, name: str, recognized: str | None = None) -> SourceSettings:
        """Return the settings for the files under raw/<name>; the defaults if the settings do not name the source.

        Args:
            name: The source.
            recognized: The packaged preset that a file was recognized as. It counts if the settings recognize files.
        """
        own = self.sources.get(name, SourceSettings())
        is_known = recognized in packaged_names() and self.recognizes(name)
        return with_preset(own, recognized) if recognized and is_known else own

    def recognizes(self, name: str) -> bool:
        """Whether the presets of a source's files are recognized, because no setting says how they are read."""
        return name not in self.sources or self.sources[name].model_fields_set <= KEYS_OF_ANY_FORMAT

    def has_own_site(self, name: str) -> bool:
        """Whether the settings set the site of a source explicitly."""
        return name in self.sources and "site" in self.sources[name].model_fields_set

"""Defines the settings of privacy: what is not stored, not stored as delivered, or stored for a limited time."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from session_pipeline.reference.changes import DAYS_READ
from session_pipeline.settings.section import Section
from session_pipeline.settings.values import Label, Listed, QueryParameter, distinct, refusal

# For keep_days; a test compares these numbers with the spans of the tables.
SESSION_DAYS = 3  # a day reads the two days before it, whose sessions can reach it
LONGEST_READ_DAYS = DAYS_READ  # by tables of changes; the longest window of opportunities is as long
LEAST_RAW_DAYS = 7  # for files that are late, and for runs that were missed
_WHY_KEPT = {
    "raw": "late files need some days",
    "events": "days that can still be built read the days before them",
    "aggregates": f"days that can still be built read counts of {LONGEST_READ_DAYS} days, and counts outlast events",
}


class KeepDays(Section):
    """For how many days of data the store keeps raw events, tables of people and counts; 0: without a limit."""

    raw: int = Field(default=0, ge=0, le=36_500)
    events: int = Field(default=0, ge=0, le=36_500)
    aggregates: int = Field(default=0, ge=0, le=36_500)

    @model_validator(mode="after")
    def _check_days(self) -> Self:
        if not self.raw:
            if self.events or self.aggregates:
                raise refusal("has no raw", "write it too: only days whose raw events have expired can expire")
            return self
        for name, days, least in (
            ("raw", self.raw, LEAST_RAW_DAYS),
            ("events", self.events, self.raw + SESSION_DAYS),
            ("aggregates", self.aggregates, max(self.raw + LONGEST_READ_DAYS, self.events)),
        ):
            if (days or name == "raw") and days < least:
                raise refusal(f"has {name} = {days}", f"write at least {least}, or 0: {_WHY_KEPT[name]}")
        if self.aggregates and not self.events:
            raise refusal("has aggregates without events", "write events too: counts are kept at least as long")
        return self


class PrivacySettings(Section):
    """What of delivered events is not stored, or not stored as it was delivered."""

    keep_query_parameters: Annotated[tuple[QueryParameter, ...], Listed]
    drop_properties: Annotated[tuple[Label, ...], Listed]
    hash_properties: Annotated[tuple[Label, ...], Listed, distinct("hash_properties")]
    user_ids: Literal["plain", "keyed"]
    user_agents: Literal["full", "reduced"]
    quarantine_days: int = Field(ge=0, le=36_500)
    keep_days: KeepDays

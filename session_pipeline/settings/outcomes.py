"""Defines the settings of outcomes and goals: how a session can end, and what it can reach.

docs/definitions.md explains what they mean. The SQL made from them is in tables/matches/ and tables/outcomes/.
"""

from typing import Self

from pydantic import field_validator, model_validator

from session_pipeline.settings.section import Section
from session_pipeline.settings.values import EventCondition, EventNumber, Name, SessionCondition, refusal


class OutcomeSettings(Section):
    """A way a session can end."""

    name: Name
    where: EventCondition | None = None
    where_session: SessionCondition | None = None
    value: EventNumber | None = None
    is_conversion: bool = False

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if name in ("engaged", "bounce"):
            raise refusal(f"is {name!r}", "choose another name: engaged and bounce are added automatically")
        return name

    @model_validator(mode="after")
    def _check_conditions(self) -> Self:
        if (self.where is None) == (self.where_session is None):
            raise refusal("needs one condition", "write either where or where_session")
        if self.where is None and self.value is not None:
            raise refusal("has a value without where", "write where: value is summed over the events that meet it")
        return self


class GoalSettings(Section):
    """A goal that a session can reach, independent of other goals."""

    name: Name
    where: EventCondition
    value: EventNumber | None = None

"""Defines the settings of friction: which signals are looked for, and their thresholds."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from session_pipeline.reference.signals import Signal
from session_pipeline.settings.section import DAY_SECONDS, Section
from session_pipeline.settings.values import EventCondition, Listed, at_most, distinct, refusal

# The conditions of all forms are evaluated for each event of a day.
MOST_FORMS = 50


class FormSettings(Section):
    """A form: the event that starts it and the event that submits it."""

    start: EventCondition
    submit: EventCondition

    @model_validator(mode="after")
    def _check_difference(self) -> Self:
        if self.start.split() == self.submit.split():
            raise refusal("has the same start and submit, so no form is ever abandoned", "write two conditions")
        return self


class FrictionSettings(Section):
    """The signals of friction that are looked for, the events that they need, and their thresholds."""

    signals: Annotated[tuple[Signal, ...], Listed, distinct("signals")]
    click: EventCondition
    rage_click_clicks: int = Field(ge=2, le=100)
    rage_click_seconds: int = Field(ge=1, le=DAY_SECONDS)
    u_turn_seconds: int = Field(ge=1, le=DAY_SECONDS)
    search_results: EventCondition
    submit: EventCondition
    repeated_submit_seconds: int = Field(ge=1, le=DAY_SECONDS)
    error: EventCondition
    error_loop_actions: int = Field(ge=2, le=1000)
    dead_end_sessions: int = Field(ge=1)
    dead_end_exit_percent: int = Field(ge=0, le=100)
    long_dwell_seconds: int = Field(ge=1, le=DAY_SECONDS)
    forms: Annotated[tuple[FormSettings, ...], Listed, at_most(MOST_FORMS, "forms")]

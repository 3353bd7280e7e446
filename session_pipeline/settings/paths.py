"""Defines the settings of paths: the size of their tables, and the patterns that are searched for in sessions."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from session_pipeline.settings.pattern_parser import parse_pattern
from session_pipeline.settings.pattern_times import shortest_time
from session_pipeline.settings.section import DAY_SECONDS, Section
from session_pipeline.settings.values import Label, Listed, parsed_by, refusal, shown

# Each pattern is a regular expression that is searched for in each session.
MOST_PATTERNS = 100


class PathSettings(Section):
    """The size of the tables of paths."""

    max_steps: int = Field(ge=1, le=100)
    max_path_actions: int = Field(ge=1, le=50)
    max_paths: int = Field(ge=1, le=100_000)
    min_session_count: int = Field(ge=1, le=1_000_000)


class PatternSettings(Section):
    """A series of actions that is searched for in sessions."""

    name: Label
    pattern: Annotated[str, parsed_by(parse_pattern)]
    within_seconds: int | None = Field(default=None, ge=0, le=DAY_SECONDS)
    among: Annotated[tuple[Label, ...], Listed, Field(min_length=1)] | None = None

    @property
    def named_actions(self) -> tuple[str, ...]:
        """The actions that the pattern names, without those in [^ ], sorted."""
        actions = parse_pattern(self.pattern).actions
        return tuple(sorted({name for action in actions if not action.is_other for name in action.names}))

    @model_validator(mode="after")
    def _check_within(self) -> Self:
        if self.within_seconds is not None:
            shortest, within = shortest_time(parse_pattern(self.pattern)), self.within_seconds * 1_000_000
            if shortest.microseconds > within or (shortest.sign == ">" and shortest.microseconds == within):
                problem = f"has time limits that need more than within_seconds {self.within_seconds}"
                raise refusal(problem, "write a longer within_seconds, or shorter limits")
        return self

    @model_validator(mode="after")
    def _check_among(self) -> Self:
        missing = [name for name in self.named_actions if self.among is not None and name not in self.among]
        if missing:
            raise refusal(f"has among without {shown(missing[0])}, which is in its pattern", "add it to among")
        return self

"""Defines the settings of bots: patterns of user agents, exceptions, and rules about what a visitor does on a day."""

from functools import partial
from typing import Annotated

from pydantic import AfterValidator, Field

from session_pipeline.settings.section import Section
from session_pipeline.settings.values import Listed, at_most, distinct, usable_pattern

# Each pattern is searched for in each distinct user agent of a day.
MOST_PATTERNS = 500

# A pattern that matches nothing at all would make every visitor a bot, or none.
AgentPattern = Annotated[str, AfterValidator(partial(usable_pattern, is_replaced=True))]
AgentPatterns = Annotated[tuple[AgentPattern, ...], Listed, at_most(MOST_PATTERNS, "patterns"), distinct("patterns")]


class BotSettings(Section):
    """Which events are from bots, in addition to the packaged lists of user agents."""

    patterns: AgentPatterns
    exceptions: AgentPatterns
    no_user_agent: bool
    page_views_per_minute: int = Field(ge=0, le=100_000)
    page_views_per_day: int = Field(ge=0, le=10_000_000)
    single_hit: bool

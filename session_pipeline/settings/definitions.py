"""Defines the settings of the definitions of sessions that are counted side by side with the sessions of the tables.

A definition is data: when a session starts, and when it bounces or is engaged. The packaged definitions are those of
other tools (reference/definitions.toml); users can add their own, from nothing or based on a packaged one.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from session_pipeline.reference.definitions import packaged_definitions
from session_pipeline.settings.section import DAY_SECONDS, Section
from session_pipeline.settings.values import EventCondition, Listed, Name, at_most, closest, distinct, refusal, shown

# The events of a day are read once for each definition.
MOST_DEFINITIONS = 20
OWN = "own"  # the row of daily_definitions with the sessions of the tables


SessionDefinition = Literal["", "ga4", "matomo", "plausible", "umami", "posthog", "snowplow"]


class StaySettings(Section):
    """What a visitor must do to stay: one of these is enough. A number that is absent does not count."""

    page_views: int | None = Field(default=None, ge=1, le=1000)
    events: int | None = Field(default=None, ge=1, le=1000)
    interactions: int | None = Field(default=None, ge=1, le=1000)
    seconds: float | None = Field(default=None, gt=0, le=DAY_SECONDS)
    is_longer: bool = False
    conversions: int | None = Field(default=None, ge=1, le=1000)


class DefinitionSettings(Section):
    """When a session starts, and when it is a bounce or engaged.

    Attributes:
        inactivity_seconds: A gap that is longer starts a session; absent: no gap does.
        at_border: What a gap of exactly this length does.
        midnight: Whether each local day starts a session.
        utc_hour: Whether each hour of UTC starts a session.
        campaign: Whether another campaign starts a session (changed), or not at all. With new, the first one does too
            if an earlier event of the session came from another host, and campaigns are compared in lower case.
        user: Whether another user_id starts a session.
        client_session: Whether events with a client_session_id have one session for each id, whatever the gaps.
        max_hours: A session never lasts longer; absent: two days at most.
        starts: A condition on the events that start a session, in addition.
        ends: A condition on the events that end a session.
        needs: What a session needs to be counted: a page view, or an event that is neither an asset nor passive.
        length: The events between which the length of a session is measured; counted are those of `needs = "event"`.
        bounce_unless: A session is a bounce unless it meets this; absent: the tool counts no bounces.
        engaged_if: A session is engaged if it meets this; absent: the tool counts no engaged sessions.
    """

    inactivity_seconds: int | None = Field(default=None, ge=1, le=DAY_SECONDS)
    at_border: Literal["stays", "starts"] = "stays"
    midnight: bool = False
    utc_hour: bool = False
    campaign: Literal["no", "changed", "new"] = "no"
    user: bool = False
    client_session: bool = False
    max_hours: int | None = Field(default=None, ge=1, le=24)
    starts: EventCondition | None = None
    ends: EventCondition | None = None
    needs: Literal["page_view", "event"] | None = None
    length: Literal["all", "counted", "page_views"] = "all"
    bounce_unless: StaySettings | None = None
    engaged_if: StaySettings | None = None

    @model_validator(mode="before")
    @classmethod
    def _lay_over(cls, given: Any) -> Any:
        """Add the keys of the packaged definition that `like` names."""
        if not isinstance(given, dict) or "like" not in given:
            return given
        known = packaged_definitions()
        if given["like"] not in known:
            like = given["like"]
            raise refusal(f"is like {shown(like)}, which is not a definition", closest(str(like), known))
        own = {key: value for key, value in given.items() if key != "like"}
        return {**known[given["like"]], **own}


class DefinitionsSettings(Section):
    """The definitions that daily_definitions counts sessions by, in addition to the sessions of the tables."""

    also: Annotated[tuple[Name, ...], Listed, at_most(MOST_DEFINITIONS, "definitions"), distinct("definitions")]
    rules: Annotated[Mapping[Name, DefinitionSettings], at_most(MOST_DEFINITIONS, "definitions")]

    @field_validator("rules")
    @classmethod
    def _have_own_names(cls, rules: Mapping[str, DefinitionSettings]) -> Mapping[str, DefinitionSettings]:
        if taken := sorted(rules.keys() & {*packaged_definitions(), OWN}):
            raise refusal(f"has {taken[0]}, which is a packaged definition", "choose another name")
        return rules

    @model_validator(mode="after")
    def _are_known(self) -> "DefinitionsSettings":
        known = (*packaged_definitions(), *self.rules)
        for name in self.also:
            if name not in known:
                raise refusal(f"names {shown(name)} in also, which is not a definition", closest(name, known))
        return self

    @property
    def counted(self) -> Mapping[str, DefinitionSettings]:
        """The definitions in `also`, by name, in this order."""
        packaged = packaged_definitions()
        return {
            name: self.rules[name] if name in self.rules else DefinitionSettings.model_validate(packaged[name])
            for name in self.also
        }


def followed(sessions: Mapping[str, Any]) -> dict[str, Any]:
    """Return [sessions] with the rules of its definition about when a session ends.

    Rules that need more than the times and values of events are not followed: which sessions a tool lists, and the
    events that start or end one.
    """
    packaged = packaged_definitions().get(str(sessions.get("definition")))
    if packaged is None:
        return dict(sessions)
    rules = DefinitionSettings.model_validate(packaged)
    return {
        **sessions,
        # Without a timeout, sessions end with the hour.
        "inactivity_minutes": 60 if rules.inactivity_seconds is None else rules.inactivity_seconds // 60,
        "at_border": rules.at_border,
        "max_hours": rules.max_hours or 24,
        "split_at_midnight": rules.midnight,
        "split_at_utc_hour": rules.utc_hour,
        "separator": "",
        "split_on_client_session": False,
        "client_sessions": "key_without_timeout" if rules.client_session else "ignore",
        "split_on_user": rules.user,
        "split_on_campaign": rules.campaign != "no",
        "split_on_new_campaign": rules.campaign == "new",
    }

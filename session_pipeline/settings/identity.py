"""Defines the settings of identity: what sessions and visitors are counted by, and merges by hand."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from session_pipeline.reference.column_groups import RAW_EVENT_COLUMNS
from session_pipeline.settings.conditions import parse_scalar
from session_pipeline.settings.section import Section
from session_pipeline.settings.values import Listed, Site, at_most, parsed_by, refusal

MOST_MERGES = 10_000
Id = Annotated[str, Field(min_length=1, max_length=1000)]


def _previous_id(text: str) -> None:
    if text:
        parse_scalar(text, RAW_EVENT_COLUMNS, key="")


class MergeSettings(Section):
    """Two ids that are linked by hand, or whose link is undone. An event with both would link them.

    Attributes:
        site: The site; None: every site.
        visitor_id: A cookie or device.
        user_id: A logged-in user.
        previous_id: A former id of the visitor or the user, as in alias events.
    """

    site: Site | None = None
    visitor_id: Id | None = None
    user_id: Id | None = None
    previous_id: Id | None = None

    @model_validator(mode="after")
    def _has_two_ids(self) -> Self:
        if len(self.ids) != 2:
            given = {0: "no ids", 1: "1 id"}.get(len(self.ids), f"{len(self.ids)} ids")
            raise refusal(f"has {given}", "write two of visitor_id, user_id and previous_id")
        return self

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids that are given."""
        return tuple(each for each in (self.visitor_id, self.user_id, self.previous_id) if each is not None)


class IdentitySettings(Section):
    """Whether sessions and visitors are those of a visitor id or of a person, and which ids belong to one person."""

    by: Literal["visitor", "person"]
    previous_id: Annotated[str, parsed_by(_previous_id)]
    ignored_user_ids: Annotated[tuple[str, ...], Listed]
    link: Annotated[tuple[MergeSettings, ...], Listed, at_most(MOST_MERGES, "merges")]
    unlink: Annotated[tuple[MergeSettings, ...], Listed, at_most(MOST_MERGES, "merges")]

    @model_validator(mode="after")
    def _does_not_contradict_itself(self) -> Self:
        if both := [merge for merge in self.link if merge in self.unlink]:
            raise refusal(f"has {' and '.join(both[0].ids)} in link and in unlink", "remove one of them")
        return self

    @property
    def is_by_person(self) -> bool:
        """Whether the events of all ids of a person count together."""
        return self.by == "person"

"""Defines the settings of funnels, and refuses those that contradict each other.

docs/definitions.md explains what they mean. The SQL made from them is in tables/funnels/from_settings.py.
"""

from collections.abc import Iterator
from operator import attrgetter
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, ValidationInfo, field_validator, model_validator

from session_pipeline.settings.section import DAY_SECONDS, Section
from session_pipeline.settings.values import EventCondition, Label, Listed, at_most, closest, distinct, refusal, shown

SessionBreakdown = Literal[
    "channel", "device", "browser", "os", "landing_page", "utm_source", "utm_medium", "utm_campaign"
]
SESSION_BREAKDOWNS: tuple[str, ...] = get_args(SessionBreakdown)

LONGEST_VISITOR_WINDOW_DAYS = 30
USUAL_VISITOR_WINDOW_DAYS = 7

# Each funnel step takes a pass over all attempts.
MOST_STEPS = 50

# If conditions overlap, an attempt without an order can have reached many sets of steps: with 10 steps, up to 252.
MOST_UNORDERED_STEPS = 10
MOST_BREAKDOWNS = 5

# What each of these keys allows. In other modes, it is always allowed.
_ONLY_IN_STRICT = {
    "allow_reentry": "the first step again",
    "allow_early_steps": "a later step",
    "allow_other_events": "an event that meets no step",
}


class StepSettings(Section):
    """A funnel step. Its times count from the required step before it."""

    name: Label
    where: EventCondition
    optional: bool = False
    min_seconds: int = Field(default=0, ge=0)
    window_seconds: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _check_min_seconds(self) -> Self:
        if self.window_seconds is not None and self.min_seconds > self.window_seconds:
            raise refusal(f"has min_seconds {self.min_seconds}, longer than its window", "write a shorter time")
        return self


class ExclusionSettings(Section):
    """An event that excludes an attempt from a funnel if it happens between two steps, which are numbered from 1."""

    where: EventCondition
    after_step: int = Field(default=1, ge=1)
    before_step: int


class FunnelSettings(Section):
    """A funnel: its steps, and how attempts are counted."""

    name: Label
    grain: Literal["session", "visitor", "attempt"] = "session"
    mode: Literal["ordered", "strict", "unordered"] = "ordered"
    window_seconds: int | None = Field(default=None, ge=0, validate_default=True)
    min_seconds: int = Field(default=0, ge=0)
    ties: Literal["advance", "later"] = "advance"
    one_event_per_step: bool = True
    repeats: Literal["ignore", "stop", "restart"] | None = None
    allow_reentry: bool = False
    allow_early_steps: bool = False
    allow_other_events: bool = False
    stop_ends: Literal["attempt", "all"] = "attempt"
    entry: Literal["first", "any"] = "first"
    breakdown: str | Annotated[tuple[str, ...], Listed] | None = None
    breakdown_at: str = "first"
    steps: Annotated[
        tuple[StepSettings, ...],
        Listed,
        Field(min_length=1),
        at_most(MOST_STEPS, "steps"),
        distinct("steps", attrgetter("name")),
    ]
    exclusions: Annotated[tuple[ExclusionSettings, ...], Listed, at_most(MOST_STEPS, "exclusions")] = ()

    @property
    def is_within_a_session(self) -> bool:
        """Whether an attempt ends with its session; otherwise it follows the visitor."""
        return self.grain == "session"

    @property
    def repeated(self) -> str:
        """What an event of a step that is already reached does: ignore, stop or restart."""
        return self.repeats or ("stop" if self.mode == "strict" else "ignore")

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The dimensions of the breakdown."""
        return (self.breakdown,) if isinstance(self.breakdown, str) else self.breakdown or ()

    def step_name(self, number: int) -> str:
        """Return the name of a step, numbered from 1; in mode unordered the number of steps, such as 2 of 3."""
        return f"{number} of {len(self.steps)}" if self.mode == "unordered" else self.steps[number - 1].name

    @field_validator("window_seconds")
    @classmethod
    def _check_window(cls, seconds: int | None, info: ValidationInfo) -> int | None:
        """Refuse a window that is too long; visitors and attempts without a window get the usual one."""
        grain = info.data.get("grain")
        if grain not in ("visitor", "attempt"):
            return seconds
        most = LONGEST_VISITOR_WINDOW_DAYS * DAY_SECONDS
        if seconds is not None and seconds > most:
            hint = f"write at most {most} ({LONGEST_VISITOR_WINDOW_DAYS} days) for {grain}s"
            raise refusal(f"is {seconds}", hint)
        return USUAL_VISITOR_WINDOW_DAYS * DAY_SECONDS if seconds is None else seconds

    @field_validator("breakdown", mode="before")
    @classmethod
    def _is_text_or_list(cls, given: Any) -> Any:
        is_list = isinstance(given, list | tuple) and all(isinstance(each, str) for each in given)
        if not is_list and not isinstance(given, str | None):
            raise refusal(f"is {shown(given)}", "write a string in quotes, or a list of strings")
        return given

    @field_validator("breakdown")
    @classmethod
    def _check_breakdown(cls, breakdown: str | tuple[str, ...] | None, info: ValidationInfo) -> Any:
        names = (breakdown,) if isinstance(breakdown, str) else breakdown or ()
        known = (*SESSION_BREAKDOWNS, *(info.context or {}).get("dimensions", ()))
        for name in names:
            if name not in known:
                raise refusal(f"is {shown(name)}, which is not a dimension", closest(name, known))
        if repeated := next((name for name in names if names.count(name) > 1), None):
            raise refusal(f"names the dimension {repeated!r} twice", "write each dimension once")
        if len(names) > MOST_BREAKDOWNS:
            raise refusal(f"has {len(names)} dimensions", f"write at most {MOST_BREAKDOWNS}")
        return breakdown

    @field_validator("exclusions", mode="before")
    @classmethod
    def _ends_at_the_last_step(cls, entries: Any, info: ValidationInfo) -> Any:
        if not isinstance(entries, list):
            return entries
        last = len(info.data.get("steps", ()))
        return [{"before_step": last, **entry} if isinstance(entry, dict) else entry for entry in entries]

    @field_validator("exclusions")
    @classmethod
    def _check_exclusions(
        cls, exclusions: tuple[ExclusionSettings, ...], info: ValidationInfo
    ) -> tuple[ExclusionSettings, ...]:
        steps = info.data.get("steps")
        for number, exclusion in enumerate(exclusions, start=1):
            if steps is not None and not exclusion.after_step < exclusion.before_step <= len(steps):
                between = f"after step {exclusion.after_step} and before step {exclusion.before_step}"
                one_step = "add a second step, because an exclusion is between two"
                what_to_do = one_step if len(steps) == 1 else f"write two of the {len(steps)} steps in order"
                raise refusal(f"has number {number} {between}", what_to_do)
        return exclusions

    @property
    def _shortest_seconds(self) -> int:
        """The shortest time in which an attempt can reach every step; optional steps do not wait for one another."""
        shortest = before = 0
        for step in self.steps:
            shortest = max(shortest, before + step.min_seconds)
            if not step.optional:
                before += step.min_seconds
        return shortest

    @property
    def _longest_seconds(self) -> int | None:
        """The longest time in which an attempt can reach every step, by their windows; None without limit."""
        windows = [step.window_seconds for step in self.steps[1:] if not step.optional]
        return sum(filter(None, windows)) if windows and None not in windows else None

    @model_validator(mode="after")
    def _check_contradictions(self) -> Self:
        for problem, hint in self._contradictions():
            raise refusal(problem, hint)
        return self

    def _contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with settings that are valid one by one, and what to do."""
        steps = self.steps
        yield from self._contradictions_of_times()
        if steps[0].optional or steps[-1].optional:
            yield "has an optional first or last step", "make it required, or remove it"
        yield from self._contradictions_of_breakdown_at()
        for key, what in _ONLY_IN_STRICT.items():
            if getattr(self, key) and self.mode != "strict":
                yield f"has {key} in mode {self.mode}, where {what} never stops an attempt", "remove it"
        if self.stop_ends == "all" and self.mode != "strict" and self.repeated != "stop":
            yield "has stop_ends, but nothing that stops an attempt", "write mode strict or repeats stop, or remove it"
        if self.repeated == "restart" and self.mode == "strict":
            yield "has repeats restart in mode strict", "write ignore or stop"
        if self.entry == "any" and self.grain == "attempt":
            yield "has entry any and grain attempt, so each event of a step would be an attempt", "choose one of them"
        if self.entry == "any" and self.repeated == "restart":
            yield "has entry any and repeats restart, which needs a first step", "choose one of them"
        if self.ties == "later" and any(step.window_seconds == 0 for step in steps):
            yield "has a step within 0 seconds, but ties later", "write a longer window, or ties advance"
        if self.ties == "later" and self.window_seconds == 0 and len(steps) > 1:
            yield "has window_seconds 0, but ties later", "write a longer window, or ties advance"
        for number, exclusion in enumerate(self.exclusions, start=1):
            if steps[exclusion.after_step - 1].optional or steps[exclusion.before_step - 1].optional:
                yield f"has exclusion number {number} at an optional step", "write the required steps around it"
        if self.mode == "unordered":
            yield from self._contradictions_without_an_order()

    def _contradictions_of_times(self) -> Iterator[tuple[str, str]]:
        first, window, longest = self.steps[0], self.window_seconds, self._longest_seconds
        if window is not None and self.min_seconds > window:
            yield f"has min_seconds {self.min_seconds}, longer than window_seconds {window}", "write a shorter time"
        if window is not None and self._shortest_seconds > window:
            yield f"has steps with a longer min_seconds in total than window_seconds {window}", "write shorter times"
        if longest is not None and self.min_seconds > longest:
            problem = f"has min_seconds {self.min_seconds}, longer than the windows of its steps in total ({longest})"
            yield problem, "write a shorter time, or longer windows"
        if first.min_seconds or first.window_seconds is not None:
            yield "has a time limit at the first step, which has no step before it", "remove it"

    def _contradictions_of_breakdown_at(self) -> Iterator[tuple[str, str]]:
        names = [step.name for step in self.steps]
        if self.breakdown_at not in ("first", "last", *names):
            yield f"has breakdown_at {shown(self.breakdown_at)}", closest(self.breakdown_at, ("first", "last", *names))
        if "breakdown_at" in self.model_fields_set and self.breakdown_at in {"first", "last"}.intersection(names):
            hint = "rename the step: first and last are the first and the last step that an attempt reached"
            yield f"has breakdown_at {shown(self.breakdown_at)} and a step of this name", hint
        if self.breakdown_at != "first" and not self.dimensions:
            yield "has breakdown_at without breakdown", "write breakdown, or remove breakdown_at"

    def _contradictions_without_an_order(self) -> Iterator[tuple[str, str]]:
        of_order = {
            "ties": self.ties != "advance",
            "repeats": self.repeats is not None and self.repeats != "ignore",
            "entry": self.entry != "first",
            "min_seconds": self.min_seconds > 0 or any(step.min_seconds for step in self.steps),
            "a window of a step": any(step.window_seconds is not None for step in self.steps),
            "an optional step": any(step.optional for step in self.steps),
            "breakdown_at a step": self.breakdown_at not in ("first", "last"),
            "an exclusion between some steps": any(
                (exclusion.after_step, exclusion.before_step) != (1, len(self.steps)) for exclusion in self.exclusions
            ),
        }
        for key, is_set in of_order.items():
            if is_set:
                is_partial = key == "an exclusion between some steps"
                hint = "leave out its after_step and before_step" if is_partial else "remove it"
                yield f"has {key} in mode unordered, where steps have no order", f"{hint}, or write mode ordered"
        if self.one_event_per_step and len(self.steps) > MOST_UNORDERED_STEPS:
            hint = f"write at most {MOST_UNORDERED_STEPS}, or one_event_per_step = false"
            yield f"has {len(self.steps)} steps in mode unordered with one event per step", hint

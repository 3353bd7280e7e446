"""Defines the steps that build funnels."""

from collections.abc import Callable, Mapping, Sequence

from session_pipeline.settings import FunnelSettings, Settings
from session_pipeline.tables.funnels import from_settings, stops
from session_pipeline.tables.graph import Computation, Relation, Step
from session_pipeline.tables.parameters import Scalar
from session_pipeline.tables.spans import VISITOR_WINDOW

Runs = Callable[[Settings], Sequence[Mapping[str, Scalar]]]
Numbers = Callable[[FunnelSettings], Sequence[int]]


def _once_if_any(is_used: Callable[[FunnelSettings], bool]) -> Runs:
    """Run a model once if some funnel needs it."""
    return lambda settings: [{}] if any(map(is_used, settings.funnels)) else []


def _for_each(model: str, numbers: Numbers) -> Computation:
    """Run a model of reached_steps for each step number that some funnel has, in order."""

    def runs(settings: Settings) -> Sequence[Mapping[str, Scalar]]:
        found = sorted({number for funnel in settings.funnels for number in numbers(funnel)})
        return [{"step_number": number} for number in found]

    return Computation(model, "reached_steps", runs)


def _is_unordered(funnel: FunnelSettings) -> bool:
    return funnel.mode == "unordered"


def _does_stop_all(funnel: FunnelSettings) -> bool:
    return funnel.stop_ends == "all"


def _required_after_the_first(funnel: FunnelSettings) -> list[int]:
    steps = () if _is_unordered(funnel) else funnel.steps
    return [number for number, step in enumerate(steps, start=1) if number > 1 and not step.optional]


def _optional(funnel: FunnelSettings) -> list[int]:
    return [number for number, step in enumerate(funnel.steps, start=1) if step.optional]


def _without_an_order(funnel: FunnelSettings) -> Sequence[int]:
    return range(2, len(funnel.steps) + 1) if _is_unordered(funnel) else ()


STEPS: tuple[Step, ...] = (
    Step(
        name="funnel_events",
        tables=("funnel_events",),
        relations={
            "session_breakdowns": Relation(from_settings.session_breakdowns, ("sessions", "session_dimensions")),
        },
    ),
    Step(
        name="funnel_entries",
        tables=("funnel_entries", "funnel_entry_steps"),
        spans={"funnel_events": VISITOR_WINDOW},
        lists={
            "funnels": from_settings.funnels,
            "funnel_step_rules": from_settings.funnel_step_rules,
            "exclusion_rules": from_settings.exclusion_rules,
            "stopping_steps": stops.stopping_steps,
        },
        # The models of reached_steps find one funnel step of every attempt at a time, and replace the previous rows.
        # Models that no funnel of the settings needs do not run.
        computed=(
            Computation("step_events", "step_events"),
            Computation("stopped_events", "step_events", runs=_once_if_any(stops.has_stops)),
            Computation("reached_steps", "reached_steps"),
            _for_each("next_reached_steps", _required_after_the_first),
            Computation("unstopped_steps", "reached_steps", runs=_once_if_any(_does_stop_all)),
            _for_each("optional_steps", _optional),
            Computation("narrower_steps", "narrower_steps", runs=_once_if_any(_is_unordered)),
            Computation("next_step_events", "next_step_events", runs=_once_if_any(_is_unordered)),
            Computation("unordered_attempts", "reached_steps", runs=_once_if_any(_is_unordered)),
            _for_each("unordered_steps", _without_an_order),
            Computation("distinct_steps", "reached_steps", runs=_once_if_any(_is_unordered)),
            Computation("funnel_attempts", "funnel_attempts"),
            Computation("attempt_steps", "attempt_steps"),
        ),
    ),
    Step(
        name="funnel_steps",
        tables=("funnel_steps",),
        lists={"funnel_step_names": from_settings.funnel_step_names},
    ),
    Step(name="funnel_drops", tables=("funnel_drops",)),
)

"""Defines the steps that build funnels."""

from collections.abc import Mapping

from session_pipeline.settings import Settings
from session_pipeline.tables.frame import Scalar
from session_pipeline.tables.funnels import from_settings
from session_pipeline.tables.graph import Computation, Relation, Step
from session_pipeline.tables.spans import VISITOR_WINDOW


def _steps_after_the_first(settings: Settings) -> list[Mapping[str, Scalar]]:
    depth = max((len(funnel.steps) for funnel in settings.funnels), default=1)
    return [{"step_number": number} for number in range(2, depth + 1)]


STEPS: tuple[Step, ...] = (
    Step(
        name="funnel_events",
        tables=("funnel_events",),
        relations={
            "session_breakdowns": Relation(from_settings.session_breakdowns, ("sessions", "session_dimensions")),
        },
        lists={"funnel_breakdowns": from_settings.funnel_breakdowns},
    ),
    Step(
        name="funnel_entries",
        tables=("funnel_entries",),
        spans={"funnel_events": VISITOR_WINDOW},
        lists={"funnels": from_settings.funnels, "funnel_exclusions": from_settings.funnel_exclusions},
        # Each time, the model finds the next funnel step of every attempt and replaces the previous rows.
        computed=(
            Computation("reached_steps", "reached_steps"),
            Computation("next_reached_steps", "reached_steps", frozenset(("step_number",)), _steps_after_the_first),
        ),
    ),
    Step(
        name="funnel_steps",
        tables=("funnel_steps",),
        lists={"funnel_step_names": from_settings.funnel_step_names},
    ),
)

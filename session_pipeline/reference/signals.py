"""The signals of friction, in the order in which tables and documents list them, and what each is used for.

What each signal is, is in tables/friction/; its thresholds are settings.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Signal = Literal[
    "rage_click",
    "u_turn",
    "back_track",
    "repeated_search",
    "repeated_submit",
    "error",
    "error_loop",
    "dead_end",
    "abandoned_form",
    "long_dwell",
    "repeat",
]
SIGNALS: tuple[Signal, ...] = get_args(Signal)


@dataclass(frozen=True)
class Comparison:
    """How sessions with a signal are compared with others at the same moments.

    Attributes:
        did: What sessions with the signal did, for sentences; {} is the action.
        is_of_a_visit: Whether it occurs while the visitor is on a page. The others are a way to come to the present
            action.
    """

    did: str
    is_of_a_visit: bool


@dataclass(frozen=True)
class SignalUse:
    """What a signal is used for.

    Attributes:
        hard_time: What a visit with the signal did, for the report; it had a hard time. None if the signal is ordinary:
            it goes with success as often as with failure.
        comparison: How it is compared; None if it is known only when the session ends or goes on, because that alone
            says whether the session can convert.
    """

    hard_time: str | None = None
    comparison: Comparison | None = None


USES: Mapping[Signal, SignalUse] = {
    "rage_click": SignalUse("clicked repeatedly", Comparison("clicked again and again at {}", is_of_a_visit=True)),
    "u_turn": SignalUse("came and left within seconds", Comparison("went back at once from {}", is_of_a_visit=False)),
    "back_track": SignalUse(comparison=Comparison("went back from {}", is_of_a_visit=False)),
    "repeated_search": SignalUse(
        "searched again without opening a result",
        Comparison("searched again for something else at {}", is_of_a_visit=False),
    ),
    "repeated_submit": SignalUse(comparison=Comparison("sent the same thing twice at {}", is_of_a_visit=True)),
    "error": SignalUse("saw an error", Comparison("had an error at {}", is_of_a_visit=True)),
    "error_loop": SignalUse("saw several errors", Comparison("had several errors at {}", is_of_a_visit=True)),
    "dead_end": SignalUse(),
    "abandoned_form": SignalUse("started a form and did not send it"),
    "long_dwell": SignalUse(),
    "repeat": SignalUse(comparison=Comparison("repeated an action at {}", is_of_a_visit=False)),
}

# Sessions with one of these had a hard time.
HARD_TIME_SIGNALS: tuple[Signal, ...] = tuple(signal for signal in SIGNALS if USES[signal].hard_time)
COMPARISONS: Mapping[str, Comparison] = {
    signal: comparison for signal in SIGNALS if (comparison := USES[signal].comparison)
}

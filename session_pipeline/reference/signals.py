"""The signals of friction, in the order in which tables and documents list them.

What each signal is, is in tables/friction/; its thresholds are settings.
"""

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

# Sessions with one of these had a hard time. The others are ordinary: they go with success as often as with failure.
HARD_TIME_SIGNALS: tuple[Signal, ...] = (
    "rage_click",
    "u_turn",
    "repeated_search",
    "error",
    "error_loop",
    "abandoned_form",
)

"""Computes the parameters of models that are equal for all days, from the settings and from constants."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from session_pipeline.reference import changes
from session_pipeline.settings import Settings

Scalar = bool | int | float | str | date | datetime | Decimal

Z_95 = 1.959963984540054  # normal quantile of a two-sided 95 % interval
CARRIED_MINUTES = 60  # event ids of the last hour of a day are carried to the next day
LONGEST_INACTIVITY_MINUTES = 720
MOST_LINES = 1 << 40  # more than any file has, so that one number can stand for a file and a line
DAYS_OF_WEEK = 7
PATH_WINDOWS = (7, 28)  # days of typical_paths
RARE_ONE_IN = 5  # in typical_paths, an action is rare if fewer than one in so many sessions have it
TYPICAL_PATH_COUNT = 5
MOST_MOMENT_ACTIONS = 200  # the most visited actions of a day at which signals of friction are compared
MOST_SEEN_ACTIONS = 50  # the most visited actions of a day whose pairs are compared
LEAST_COMPARED_SESSIONS = 30  # on each side of a comparison

# Search terms are compared without regard to the case of these Latin, Greek and Cyrillic letters. Models translate them
# because lower() differs between engines.
CAPITAL_LETTERS = "".join(
    letter
    for letter in map(chr, (*range(0x41, 0x180), *range(0x386, 0x430)))
    if letter.lower() != letter and len(letter.lower()) == 1
)
SMALL_LETTERS = "".join(map(str.lower, CAPITAL_LETTERS))

# Parameters that are equal for all settings, by name.
CONSTANTS: Mapping[str, Scalar] = {
    "z": Z_95,
    "days_of_week": DAYS_OF_WEEK,
    "carried_minutes": CARRIED_MINUTES,
    "most_lines": MOST_LINES,
    "longest_window_days": max(PATH_WINDOWS),
    "rare_one_in": RARE_ONE_IN,
    "typical_path_count": TYPICAL_PATH_COUNT,
    "capital_letters": CAPITAL_LETTERS,
    "small_letters": SMALL_LETTERS,
    "most_moment_actions": MOST_MOMENT_ACTIONS,
    "most_seen_actions": MOST_SEEN_ACTIONS,
    "least_compared_sessions": LEAST_COMPARED_SESSIONS,
    "most_actions": changes.MOST_ACTIONS,
    "most_followed_actions": changes.MOST_FOLLOWED_ACTIONS,
    "most_dimension_values": changes.MOST_DIMENSION_VALUES,
    "least_base_days": changes.LEAST_BASE_DAYS,
    "least_usual_conversions": changes.LEAST_USUAL_CONVERSIONS,
}


def parameters(settings: Settings) -> dict[str, Scalar]:
    """Return all parameters by name. Durations have the units that the models compare."""
    return {
        **CONSTANTS,
        **_of_sessions(settings),
        **_of_paths(settings),
        **_of_friction(settings),
    }


def _of_sessions(settings: Settings) -> dict[str, Scalar]:
    sessions = settings.sessions
    return {
        "inactivity_minutes": sessions.inactivity_minutes,
        "by_person": settings.identity.is_by_person,
        "client_sessions": sessions.client_sessions,
        # Carried sessions reach one day, so an event can follow another after 12 hours at most.
        "least_client_session_minutes": (
            LONGEST_INACTIVITY_MINUTES if sessions.client_sessions == "key_without_timeout" else 0
        ),
        # What a gap must have in addition to inactivity_minutes, at least, to start a session.
        "border_microseconds": 0 if sessions.at_border == "starts" else 1,
        "max_microseconds": sessions.max_hours * 3_600_000_000,
        "split_at_midnight": sessions.split_at_midnight,
        "separator": sessions.separator,
        "split_at_utc_hour": sessions.split_at_utc_hour,
        "split_on_client_session": sessions.split_on_client_session,
        "split_on_user": sessions.split_on_user,
        "split_on_campaign": sessions.split_on_campaign,
        "split_on_new_campaign": sessions.split_on_new_campaign,
        "engaged_page_views": sessions.engaged_page_views,
        "engaged_microseconds": sessions.engaged_seconds * 1_000_000,
        "engaged_gap_microseconds": sessions.engaged_gap_seconds * 1_000_000,
        "no_user_agent": settings.bots.no_user_agent,
        "page_views_per_minute": settings.bots.page_views_per_minute,
        "page_views_per_day": settings.bots.page_views_per_day,
        "single_hit": settings.bots.single_hit,
    }


def _of_paths(settings: Settings) -> dict[str, Scalar]:
    paths = settings.paths
    return {
        "max_steps": paths.max_steps,
        "max_path_actions": paths.max_path_actions,
        "max_paths": paths.max_paths,
        "min_session_count": paths.min_session_count,
    }


def _of_friction(settings: Settings) -> dict[str, Scalar]:
    friction = settings.friction
    return {
        "rage_click_clicks": friction.rage_click_clicks,
        "rage_click_microseconds": friction.rage_click_seconds * 1_000_000,
        "u_turn_microseconds": friction.u_turn_seconds * 1_000_000,
        "repeated_submit_microseconds": friction.repeated_submit_seconds * 1_000_000,
        "error_loop_actions": friction.error_loop_actions,
        "dead_end_sessions": friction.dead_end_sessions,
        "dead_end_exit_percent": friction.dead_end_exit_percent,
        "long_dwell_microseconds": friction.long_dwell_seconds * 1_000_000,
    }

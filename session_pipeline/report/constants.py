"""Defines the constants of the report's queries, by the names of their parameters.

A page shows each query with their values. Numbers that only Python uses are in the modules that use them; window.py has
the days of a report.
"""

from collections.abc import Mapping

from session_pipeline.reference.changes import BASE_DAYS, WINDOWS
from session_pipeline.tables.parameters import Z_95, Scalar

EXAMPLES = 3  # visits of each flaw
MANY_DO = 0.4  # the share of the visits of a group that makes an action one that many do

CONSTANTS: Mapping[str, Scalar] = {
    "z": Z_95,
    # The first group is the folder; a / in a query parameter does not count.
    "page_of_folder": r"^(/[^?]+)/[^/?]+(\?.*)?$",
    # From how many on
    "most_pages_of_folder": 5,  # with more pages, a folder is one action, /folder/…
    "many_pages_of_folder": 100,  # their names are probably ids
    "fewest_searchers": 5,  # so that no single visitor's text is shown
    "fewest_usual_visits": 10,  # on days without visits: by chance, there are none once in 20,000 times
    "many_do": MANY_DO,
    "gain_score": 3.5,  # of a step that more visits take than usual
    "gain_share": 0.5,  # of the conversions that such a step claims: so many more than usual there must be
    "gain_days": max(WINDOWS) + BASE_DAYS,  # before the week; the query reads no earlier ones
    "usual_days": BASE_DAYS,
    "value_ratio": 2,  # of the values of conversions: a higher median of so many times the lower one is named
    "value_score": 3.5,  # of the visits on the other side of the usual median
    # Days of a funnel that do not count while attempts are open; figures.py has those of the settings.
    "open_days": "{}",
    "most_open_days": 0,
    # How many rows are shown
    "examples": EXAMPLES,
    "shown_actions": 8,
    "shown_changes": 20,
    "shown_difficult_pages": 12,
    "shown_drops_of_step": 3,
    "shown_gains": 5,
    "shown_hard_times": 20,
    "shown_next_best_actions": 5,
    "shown_pages": 10,
    "shown_paths": 5,
    "shown_positions": 6,
    "shown_possible_conversions": 5,
    "shown_search_terms": 10,
    "shown_searches": 8,
    "shown_transitions": 12,
    "shown_unfolded": 5,
    "shown_values": 12,
}

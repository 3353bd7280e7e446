"""Defines `Flaw`, something to look at first; flaws.py, silence.py, changed_values.py and hard_times.py find them."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

MOST = 3  # at the top of the page
CHART_WIDTH = 250


@dataclass(frozen=True)
class Flaw:
    """Something to look at first.

    Attributes:
        kind: What it is, in two or three words.
        sentence: What happens, in plain words.
        notes: Since when, until when, and what is missing.
        examples: Session ids for `session-pipeline show`.
        query: A query of the figures behind it.
        chart: The rates that are compared.
        is_mild: Whether it is over, or only the action with most difficulties, without a comparison.
    """

    kind: str
    sentence: str
    query: str
    notes: Sequence[str] = ()
    examples: Sequence[str] = ()
    chart: Markup | None = None
    is_mild: bool = False

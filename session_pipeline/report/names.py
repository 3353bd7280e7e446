"""Writes names for people: actions, values of dimensions and outcomes, alone and in sentences.

Names come from events, so they can be long, in any script, and contain any words. sites.py names sites; formats.py has
the rules for single texts.
"""

import re
from typing import NamedTuple

from session_pipeline.report import formats
from session_pipeline.report.figures import Row

KINDS = {"(more)": "more actions", "(no action)": "no action", "(other event)": "another action"}
ACTION_COLUMNS = ("action", "next_action", "at_action", "seen_action")
LANDING = "landing_action"
OWN_VOCABULARY = ("channel", "device", "lifecycle")  # the values of these dimensions are words of this package
# Values of these dimensions that the row does not have: of the other visits, and of the change that it follows from.
OTHER_WORDS = "|".join(
    rf"(?<=\b{before})[a-z_]+(?![^\s,.;:])"
    for dimension in OWN_VOCABULARY
    for before in (f"visits with {dimension} ", f"follows from {dimension}=")
)
OTHERS, OTHERS_END = ", for ", re.compile(" it (?:still is|went from) ")  # around a value that the row does not have
PERCENT = r"(?<=\d) (?=%)"  # a line does not break between a number and its unit
SESSIONS = re.compile(r"^Sessions\b")


class Label(NamedTuple):
    """The name of an action for people.

    Attributes:
        text: The name, shortened.
        kind: Whether it is a page or an action; empty if the text says it, such as "another action".
        full: The name in full if `text` is shortened, else empty.
    """

    text: str
    kind: str
    full: str = ""


def label(action: str) -> Label:
    """Return the name of an action: pages as in an address bar, events in words."""
    if action == "/":
        return Label("home page", "/")
    name = full_name(action)
    kind = "page" if action.startswith("/") else "" if action in KINDS else "action"
    return Label(formats.shortened(name), kind, formats.full(name))


def full_name(action: str) -> str:
    """Return the name of an action in full: pages as in an address bar, events in words."""
    return formats.decoded(action) if action.startswith("/") else formats.words(KINDS.get(action, action))


def action_in_sentence(action: str) -> str:
    """Return the name of an action as a part of a sentence."""
    return "the home page" if action == "/" else formats.isolated(label(action).text)


def dimension_in_sentence(dimension: str) -> str:
    """Return the name of a dimension as a part of a sentence, in words: campaign, plan of the customer."""
    return formats.isolated(formats.words(dimension).removeprefix("utm "))


def value_label(dimension: str, value: str) -> str:
    """Return a value of a dimension. Values that come from events, such as campaigns, stay as they are."""
    return formats.words(value) if dimension in OWN_VOCABULARY else value


def value_in_sentence(dimension: str, value: str) -> str:
    """Return a value of a dimension as a part of a sentence."""
    if dimension == LANDING:
        return action_in_sentence(value)
    return formats.isolated(formats.shortened(value_label(dimension, value)))


def sentence(row: Row) -> str:
    """Return the sentence of a row in the words of the report: visits instead of sessions, and its names for people.

    Only whole names of the row are replaced, and other values that are words of this package, so a name that contains
    `/` or "session" stays as it is. The time grows with the length of the sentence, whatever words its names have.
    """
    written = {row[column]: action_in_sentence(row[column]) for column in ACTION_COLUMNS if row.get(column)}
    if row.get("outcome"):
        written[row["outcome"]] = formats.isolated(formats.words(row["outcome"]))
    if row.get("dimension_value"):
        written[row["dimension_value"]] = value_in_sentence(row["dimension"], row["dimension_value"])
        written.setdefault(row["dimension"], dimension_in_sentence(row["dimension"]))
    if row.get("dimension") == LANDING:
        written["/"] = action_in_sentence("/")  # of the other visits
    text = SESSIONS.sub("Visits", row["sentence"])
    names = "|".join(re.escape(name) for name in sorted(written, key=lambda name: (-len(name), name)))
    pattern = rf"(?<![^\s=])(?:{names})(?![^\s,.;:])|" if names else ""
    pattern += rf"(?P<word>{OTHER_WORDS})|{PERCENT}"

    def for_people(found: re.Match[str]) -> str:
        return written.get(found[0]) or (formats.words(found[0]) if found["word"] else formats.THIN_SPACE)

    text = re.sub(pattern, for_people, text)
    return _others_isolated(text)


def _others_isolated(text: str) -> str:
    """Isolate the other visits of a sentence, from its first `, for ` to the last words that say their rate."""
    ends = [found.start() for found in OTHERS_END.finditer(text)]
    start = text.find(OTHERS) + len(OTHERS)
    if start < len(OTHERS) or not ends or ends[-1] <= start:
        return text
    return f"{text[:start]}{formats.isolated(text[start : ends[-1]])}{text[ends[-1] :]}"

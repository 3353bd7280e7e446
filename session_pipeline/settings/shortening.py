"""Shortens values of data and parts of the settings, so that they fit into a sentence of an error, warning or check."""

LONGEST_VALUE = 100
LONGEST_EXCERPT = 60


def shortened(text: str) -> str:
    """Return a value of data on one line, at most LONGEST_VALUE characters long."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_VALUE else f"{line[: LONGEST_VALUE - 1]}…"


def excerpt(text: str) -> str:
    """Return a text of the settings or of SQL, at most LONGEST_EXCERPT characters long."""
    return text if len(text) <= LONGEST_EXCERPT else f"{text[: LONGEST_EXCERPT - 3]}..."

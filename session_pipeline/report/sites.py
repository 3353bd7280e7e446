"""Names the site of rows and sentences, if the report covers several sites. With one site, only the header names it."""

from session_pipeline.report import formats, names
from session_pipeline.report.chance import is_significant
from session_pipeline.report.figures import VISIT_QUERIES, Figures, Row

DEFAULT = "main"  # of the settings


def has_several(figures: Figures) -> bool:
    """Whether any two rows are of different sites. A site can have a change and no visits in the week.

    A row of all others has no site.
    """
    rows = (row for name in VISIT_QUERIES for row in figures.rows(name))
    return len({row.get("site") for row in rows} - {None}) > 1


def only_name(figures: Figures) -> str:
    """Return the name of the one site that the report covers; empty if there are several, or if nobody named it."""
    found = {row["site"] for row in figures.rows("sites")}
    return found.pop() if len(found) == 1 and not has_several(figures) and found != {DEFAULT} else ""


def with_change(site: Row) -> Row:
    """Return a site with the change of its conversion rate since the week before, and whether it is significant."""
    now, before = site["conversion_rate"], site["conversion_rate_before"]
    counts = (site["converted_count"], site["session_count"], site["converted_before_count"], site["before_count"])
    change = None if now is None or before is None else now - before
    return {**site, "change": change, "is_significant": is_significant(*counts)}


def place(figures: Figures, row: Row) -> str:
    """Return the site of a row to put after an action, such as ` on site shop`; nothing if there is one site."""
    return f" on site {formats.isolated(row['site'])}" if has_several(figures) else ""


def with_sentences(figures: Figures, name: str) -> list[Row]:
    """Return the rows of a figure, each with its sentence in the words of the report, and with its site."""
    found = [{**row, "sentence": names.sentence(row)} for row in figures.rows(name)]
    if not has_several(figures):
        return found
    return [{**row, "sentence": on_site(formats.isolated(row["site"]), row["sentence"])} for row in found]


def on_site(site: str, sentence: str) -> str:
    """Return a sentence of a table with its site. These sentences never begin with a name."""
    return f"On site {site}: {sentence[:1].lower()}{sentence[1:]}"

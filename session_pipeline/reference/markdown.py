"""Writes text into Markdown so that it is shown as it is."""

import re

MARKUP = re.compile(r"([\\`*\[\]~|#$]|(?<![^\W_])_|_(?![^\W_]))")  # an underscore within a word is not markup

URL_START = re.compile(r"(?:(?:https?|ftp)://|www\.)+", re.IGNORECASE)


def escaped(text: str) -> str:
    """Return a text with the characters escaped that Markdown or HTML would read as markup."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return MARKUP.sub(r"\\\1", text)


def escaped_without_links(text: str) -> str:
    """Return an escaped text in which no URL becomes a link.

    Viewers such as the Dagster UI make a link of every URL, also of one with escaped characters. Therefore, the
    beginning of a URL becomes inline code, which does not change how the text reads.
    """
    return URL_START.sub(r"`\g<0>`", escaped(text))

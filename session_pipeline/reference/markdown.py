"""Writes text into Markdown so that it is shown as it is."""

import re

MARKUP = re.compile(r"([\\`*\[\]~|#$]|(?<![^\W_])_|_(?![^\W_]))")  # an underscore within a word is not markup


def escaped(text: str) -> str:
    """Return a text with the characters escaped that Markdown or HTML would read as markup."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return MARKUP.sub(r"\\\1", text)

"""Writes the generated part of docs/sources/<preset>.md: what each column is read from.

`python -m session_pipeline_tests.presets.pages` writes it into all pages. test_preset_pages.py requires that it is
current.
"""

import sys
from pathlib import Path

from session_pipeline.settings import Preset, packaged_names, packaged_preset

PAGES = Path(__file__).resolve().parents[2] / "docs" / "sources"
START, END = "<!-- generated: python -m session_pipeline_tests.presets.pages -->", "<!-- end of the generated part -->"


def page_of(name: str) -> str:
    """Return the page of a preset. Without a page that has a generated part, exit with the lines to write."""
    path = PAGES / f"{name}.md"
    page = path.read_text(encoding="utf-8") if path.is_file() else ""
    if START not in page or END not in page:
        sys.exit(f"{path} has no generated part: write the page of the preset, with these two lines:\n{START}\n{END}")
    return page


def with_generated_part(page: str, preset: Preset) -> str:
    """Return the page with the current generated part."""
    before, rest = page.split(START)
    _, after = rest.split(END)
    return f"{before}{START}\n\n{generated_part(preset)}\n{END}{after}"


def generated_part(preset: Preset) -> str:
    """Return the tables of columns and event names."""
    rows = ["| column | read from |", "|---|---|"]
    for column in dict.fromkeys([*preset.columns, *preset.expressions, *preset.constants]):
        fields = preset.columns.get(column, ())
        names = [fields] if isinstance(fields, str) else list(fields)
        parts = [f"`{name}`" for name in names]
        if column in preset.expressions:
            expression = " ".join(preset.expressions[column].split()).replace("|", "\\|")
            parts.insert(0, f"<code>{expression}</code>")
        if column in preset.constants:
            parts.append(f"the constant `{preset.constants[column]}`")
        rows.append(f"| {column} | {', else '.join(parts) or 'nothing'} |")
    text = "\n".join(rows) + "\n"
    conditions = [f"| `{rule.name}` | <code>{' '.join(rule.where.split())}</code> |" for rule in preset.events]
    names = {}
    for theirs, ours in preset.event_names.items():
        names.setdefault(ours, []).append(f"`{theirs}`")
    named = [f"| `{ours}` | {', '.join(theirs)} |" for ours, theirs in names.items()]
    if conditions or named:
        text += "\n" + "\n".join(["| event name | of the source |", "|---|---|", *conditions, *named]) + "\n"
    return text


def main() -> None:
    """Write all pages."""
    for name in packaged_names():
        page = with_generated_part(page_of(name), packaged_preset(name))
        (PAGES / f"{name}.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()

"""Prints what each example file of a preset tells: lines, events, views, sessions and outcomes."""

import tempfile
from collections import Counter
from pathlib import Path

from session_pipeline_tests.presets.reading import FileResult, examples, read_files
from session_pipeline_tests.presets.story import LIMITS, events_of, sessions_of

HEADINGS = ("preset", "file", "lines", "accepted", "events", "views", "sessions", "outcomes", "same story")


def row(preset: str, file: Path, result: FileResult) -> tuple[str, ...]:
    """Return the row of a file."""
    outcomes = Counter(session.outcome + (" (bot)" if session.is_bot else "") for session in result.sessions)
    is_same = result.events == events_of(preset) and list(result.sessions) == sessions_of(preset)
    return (
        preset,
        file.name,
        str(result.facts["line_count"]),
        str(result.facts["accepted_count"]),
        str(sum(result.names.values())),
        str(result.names.get("page_view", 0)),
        str(len(result.sessions)),
        ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())),
        ("yes, but for its limits" if preset in LIMITS else "yes") if is_same else "NO",
    )


def main() -> None:
    """Print the table."""
    files = {f"{path.parent.name}-{number}": path for number, path in enumerate(examples())}
    with tempfile.TemporaryDirectory(prefix="presets-") as folder:
        results = read_files(Path(folder), {source: (path.parent.name, path) for source, path in files.items()})
    rows = [HEADINGS, *(row(path.parent.name, path, results[source]) for source, path in files.items())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


if __name__ == "__main__":
    main()

"""Turns raw web event files into sessions, outcomes and funnels.

ingest/ reads delivered files into raw events. tables/ defines every table: its columns, its SQL model and the step that
builds it. build/ finds the days that are stale and builds them. store/ keeps every partition. publish/ writes one
warehouse and one lake for readers. run/ combines these into one run, and trial/ tries one file.
checks/ tests what was built, and report/ shows it as an HTML page. cli/ is the command line, and defs/ has the Dagster
definitions.

Three functions read what is published:
- `connect()` opens the warehouse read-only.
- `read("sessions", "2026-10-05", "2026-10-11")` returns a table's rows of these days as a DataFrame.
- `files("sessions", "2026-10-05", "2026-10-11")` returns the Parquet files that contain these rows.
"""

TYPE_CHECKING = False  # importing typing is slow
if TYPE_CHECKING:
    from session_pipeline.publish.reader import connect, files, read

__all__ = ["connect", "files", "read"]


def __getattr__(name: str) -> object:
    """Import the reader functions on first use, so that importing the package is fast."""
    if name in __all__:
        from session_pipeline.publish import reader

        return getattr(reader, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the reader functions as well, also before their first use."""
    return sorted({*globals(), *__all__})

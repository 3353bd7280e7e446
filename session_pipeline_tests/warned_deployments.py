"""Lines, and the warnings that a deployment has, for tests of warnings about settings."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from session_pipeline import settings_warnings
from session_pipeline.settings import load_settings, parse_settings
from session_pipeline.settings_warnings import folders_of_sources
from session_pipeline_tests.deployment import Deployment, to_toml

DAY = date(2024, 5, 6)
# The tables that warnings about sources are found in.
OF_SOURCES = ("daily_summary", "events", "quarantined_lines", "sessions", "source_files", "user_agents")
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0"


def line(day: date, visitor: str, minute: int, name: str, **fields: Any) -> dict[str, Any]:
    return {
        "event_id": f"{day}-{visitor}-{minute}",
        "visitor_id": visitor,
        "event_time": f"{day}T10:{minute:02}:00Z",
        "event_name": name,
        **fields,
    }


def visit(day: date, visitor: str = "ann") -> list[dict[str, Any]]:
    """Return two page views, a click and a purchase with a value."""
    url = "https://shop.example/item/lamp-1042"
    return [
        line(day, visitor, 0, "page_view", page_url=url, properties={"variant": "b"}, user_agent=AGENT),
        line(day, visitor, 1, "click", page_url=url),
        line(day, visitor, 2, "page_view", page_url="https://shop.example/cart"),
        line(day, visitor, 3, "purchase", value=20, properties={"order": {"total": "20"}}),
    ]


def found(deployment: Deployment, settings: Mapping[str, Any] | None = None) -> settings_warnings.Findings:
    """Return the findings for other settings than the deployment was built with, but with its start."""
    start_date = load_settings(deployment.folder.path).start_date  # with another one, all files are read again
    parsed = parse_settings(to_toml({"start_date": start_date, **(settings or {})}))
    if deployment.only is None:
        return settings_warnings.find_for_folder(deployment.folder, parsed)
    with deployment.stored() as connection:
        return settings_warnings.find(connection, parsed, folders_of_sources(deployment.folder.raw))


def warnings_of(deployment: Deployment, settings: Mapping[str, Any] | None = None) -> dict[str, str]:
    return {warning.key: warning.sentence for warning in found(deployment, settings).warnings}

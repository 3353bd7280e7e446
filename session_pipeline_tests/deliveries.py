"""Makes each delivery for both sides: the file for the pipeline, and the lines for the oracle.

It also writes the oracle's rules as settings. Expected results are computed in oracles/.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import md5
from typing import Any
from urllib.parse import parse_qs, urlsplit

from session_pipeline_tests.oracles.funnels import ANY_EVENT, Funnel
from session_pipeline_tests.oracles.sessions import Line, Rules

SECOND = timedelta(seconds=1)
ALLOWANCES = ("allow_reentry", "allow_early_steps", "allow_other_events")


@dataclass(frozen=True)
class Delivery:
    """A file of JSON lines under raw/<source>."""

    name: str
    lines: tuple[str, ...]
    source: str = "test"

    @property
    def content(self) -> tuple[str, tuple[str, ...]]:
        """The identity of the file: a redelivery under another name is the same file."""
        return self.source, self.lines

    @property
    def stand_in_file_id(self) -> str:
        """A file_id for the oracle when no pipeline assigned one."""
        return md5("\n".join([self.source, *self.lines]).encode()).hexdigest()


def delivery(name: str, lines: Iterable[Mapping[str, Any]], source: str = "test") -> Delivery:
    """Write lines as JSON. Fields that are None are left out; times are written as UTC with microseconds."""
    return Delivery(name, tuple(json.dumps(_said(line)) for line in lines), source)


def _said(line: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat(timespec="microseconds") + "Z" if isinstance(value, datetime) else value
        for name, value in line.items()
        if value is not None
    }


def read_lines(
    deliveries: Iterable[Delivery],
    file_ids: Mapping[str, str] | None = None,
    sites: Mapping[str, str] | None = None,
) -> list[Line]:
    """Return the lines of the deliveries, each content once, without the quarantined lines (those without a time).

    Args:
        deliveries: The files.
        file_ids: The file_id of each delivery by name; without it, the stand-in ids.
        sites: The site of each source that is not 'main'.
    """
    by_content = {delivered.content: delivered for delivered in deliveries}
    lines = []
    for delivered in by_content.values():
        file_id = file_ids[delivered.name] if file_ids else delivered.stand_in_file_id
        site = (sites or {}).get(delivered.source, "main")
        for number, text in enumerate(delivered.lines, start=1):
            said = json.loads(text)
            if "event_time" in said:
                lines.append(_line(said, text, site, file_id, number))
    return lines


def _line(said: Mapping[str, Any], text: str, site: str, file_id: str, number: int) -> Line:
    page, referrer = (urlsplit(said.get(name, "")) for name in ("page_url", "referrer"))
    in_url = parse_qs(page.query).get("utm_campaign", [None])[0]
    return Line(
        site=site,
        visitor_id=said["visitor_id"],
        event_id=said["event_id"],
        event_time=datetime.fromisoformat(said["event_time"]).replace(tzinfo=None),
        event_name=said["event_name"],
        file_id=file_id,
        line_number=number,
        content_hash=md5(text.encode()).hexdigest(),
        sequence=said.get("sequence"),
        user_id=said.get("user_id"),
        client_session_id=said.get("client_session_id"),
        utm_campaign=said.get("utm_campaign", in_url),
        is_referred=referrer.hostname not in (None, page.hostname),
    )


def settings(
    rules: Rules,
    start_date: date,
    funnels: Mapping[str, Funnel] | None = None,
    sites: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the oracle's rules in the form of settings.toml."""
    sessions: dict[str, Any] = {
        "inactivity_minutes": rules.inactivity // timedelta(minutes=1),
        "max_hours": rules.longest // timedelta(hours=1),
        "split_at_midnight": rules.split_at_midnight,
    }
    sessions |= {f"split_on_{change}": True for change in sorted(rules.breaks_at)}
    sessions |= {"at_border": "starts"} if rules.starts_at_border else {}
    sessions |= {"split_at_utc_hour": True} if rules.split_at_utc_hour else {}
    sessions |= {"split_on_new_campaign": True} if rules.breaks_at_first_campaign else {}
    sessions |= {"client_sessions": rules.client_sessions} if rules.client_sessions != "ignore" else {}
    if rules.separator is not None:
        sessions["separator"] = rules.separator
    return {
        "timezone": rules.timezone,
        "start_date": start_date,
        "sessions": sessions,
        "funnels": [_funnel(name, funnel) for name, funnel in (funnels or {}).items()],
        "sources": {source: {"site": site} for source, site in (sites or {}).items()},
    }


def _funnel(name: str, funnel: Funnel) -> dict[str, Any]:
    said: dict[str, Any] = {
        "name": name,
        "grain": funnel.grain,
        "mode": funnel.mode,
        "steps": [_step(funnel, number) for number in funnel.numbers],
        "exclusions": [
            {
                "where": _condition(exclusion.event_names),
                "after_step": exclusion.after_step,
                "before_step": exclusion.before_step,
            }
            for exclusion in funnel.exclusions
        ],
    }
    usual = Funnel(funnel.steps)
    said |= {
        key: getattr(funnel, key)
        for key in ("ties", "one_event_per_step", *ALLOWANCES, "stop_ends", "entry")
        if getattr(funnel, key) != getattr(usual, key)
    }
    if funnel.mode == "strict" or funnel.repeats != "ignore":
        said["repeats"] = funnel.repeats
    if funnel.window is not None:
        said["window_seconds"] = funnel.window // SECOND
    if funnel.shortest:
        said["min_seconds"] = funnel.shortest // SECOND
    return said


def _step(funnel: Funnel, number: int) -> dict[str, Any]:
    said: dict[str, Any] = {"name": f"step {number}", "where": _condition(funnel.steps[number - 1])}
    limits = funnel.limits.get(number)
    if limits is not None and limits.shortest:
        said["min_seconds"] = limits.shortest // SECOND
    if limits is not None and limits.longest is not None:
        said["window_seconds"] = limits.longest // SECOND
    if number in funnel.optional:
        said["optional"] = True
    return said


def _condition(event_names: frozenset[str]) -> str:
    if ANY_EVENT in event_names:
        return "event_name is not null"
    names = ", ".join(f"'{name}'" for name in sorted(event_names))
    return f"event_name in ({names})"

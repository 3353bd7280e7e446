"""Compares every table and figure of the report with queries over rows of sessions, actions and events.

The queries are written from docs/definitions.md and docs/tables.md. They read no daily table where there are rows.
"""

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from html import unescape
from itertools import pairwise
from typing import Any

import duckdb
import pytest

from session_pipeline import report
from session_pipeline.publish import warehouse
from session_pipeline.settings import Settings, load_settings
from session_pipeline_tests.benchmarks.generate import SHOP, SHOP_SETTINGS
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.report_tables import (
    NARROW_SPACE,
    NOTHING,
    ReportTables,
    day,
    duration,
    growth,
    money,
    named,
    points,
    share,
    short_days,
    wilson,
)

UNTIL_OF_SHOP = date(2024, 7, 1)
FOLDER = r"^(/.+)/[^/]+$"

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Reported:
    """A report and the warehouse that it is about."""

    html: str
    connection: duckdb.DuckDBPyConnection
    settings: Settings

    @cached_property
    def page(self) -> ReportTables:
        return ReportTables(self.html)

    @cached_property
    def last(self) -> date:
        """The last day with visits; the warehouses of these tests are older than today."""
        return self._first("select max(session_date) from sessions where not is_bot")

    @cached_property
    def known_first(self) -> date:
        return self._first("select min(session_date) from sessions where not is_bot")

    @property
    def first(self) -> date:
        return self.last - timedelta(days=6)

    @cached_property
    def days(self) -> list[date]:
        """The days that are shown one by one, the latest first."""
        first = max(self.last - timedelta(days=27), self.known_first)
        return [self.last - timedelta(days=n) for n in range((self.last - first).days + 1)]

    @cached_property
    def is_compared(self) -> bool:
        """Whether the same weekdays have visits in the week and in the week before."""
        rows = self.rows("select distinct session_date from sessions where not is_bot")
        ages = {(self.last - row[0]).days for row in rows}
        return {age for age in ages if age < 7} == {age - 7 for age in ages if 7 <= age < 14}

    @property
    def site_count(self) -> int:
        return int(self._first("select count(distinct site) from sessions where not is_bot"))

    def rows(self, query: str, **parameters: Any) -> Rows:
        """Run a query. $first and $last are the week; visits are the sessions of people, with their outcomes."""
        given = {"first": self.first, "last": self.last, **parameters}
        given = {name: value for name, value in given.items() if re.search(rf"\${name}\b", query)}
        return self.connection.execute(query, given).fetchall()

    def week(self, query: str, **parameters: Any) -> Rows:
        return self.rows(query.replace("of_week", "session_date between $first and $last"), **parameters)

    def before(self, query: str, **parameters: Any) -> Rows:
        week = timedelta(days=7)
        return self.week(query, first=self.first - week, last=self.last - week, **parameters)

    def _first(self, query: str) -> Any:
        return self.connection.execute(query).fetchall()[0][0]


VIEWS = f"""
    create temp view visits as
    select s.*, o.outcome, o.is_converted, o.value, o.currency
    from sessions as s inner join session_outcomes as o using (session_id)
    where not s.is_bot;

    create temp view done as
    select a.*, v.outcome, v.is_converted
    from session_actions as a inner join visits as v using (session_id);

    create temp macro folder_of(action) as regexp_extract(action, '{FOLDER}', 1);
"""


def opened(deployment: Deployment) -> Iterator[Reported]:
    path = report.write(deployment.folder).path
    with closing(warehouse.connect(deployment.folder.warehouse, deployment.folder.store)) as connection:
        connection.execute(VIEWS)
        yield Reported(path.read_text(encoding="utf-8"), connection, load_settings(deployment.folder.path))


@pytest.fixture(
    scope="module",
    params=[
        "sample",
        pytest.param(
            "shop", marks=[pytest.mark.long, pytest.mark.skipif(not SHOP.exists(), reason="no shared fixtures here")]
        ),
    ],
)
def reported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reported]:
    if request.param == "sample":
        yield from opened(request.getfixturevalue("sample_deployment"))
        return
    deployment = Deployment(tmp_path_factory.mktemp("shop"))
    deployment.folder.settings.write_text(SHOP_SETTINGS)
    (deployment.folder.raw / "web").mkdir(parents=True)
    shutil.copyfile(SHOP, deployment.folder.raw / "web" / SHOP.name)
    deployment.run(until=UNTIL_OF_SHOP)
    yield from opened(deployment)


def test_header_counts_visitors_and_bots(reported: Reported) -> None:
    [(visitors,)] = reported.week("select count(distinct (site, visitor_id)) from visits where of_week")
    [(bots,)] = reported.week("select count(*) from sessions where is_bot and of_week")
    text = reported.page.sections["header"]
    assert f"Visits, {short_days(reported.first, reported.last)} {reported.last.year}" in text
    assert f"Last full day: {day(reported.last)} {reported.last.year} ({reported.settings.timezone})" in text
    assert f" {visitors:,} visitors." in text
    assert (f" {bots:,} bot session" in text) == bool(bots)


def test_tiles(reported: Reported) -> None:
    counts = """
        select count(*), count(distinct (site, visitor_id)), count(*) filter (where is_converted),
            count(*) filter (where session_id in (select session_id from session_friction where is_hard_time))
        from visits where of_week
    """
    [(visits, visitors, converted, hard)] = reported.week(counts)
    [(old_visits, old_visitors, old_converted, old_hard)] = reported.before(counts)
    [(on_day, visitors_on_day, converted_on_day, hard_on_day)] = reported.week(counts, first=reported.last)
    tiles, end = reported.page.tiles, f"{day(reported.last)}: "

    def changed(change: str, text: str) -> str:
        return f"{change} · {text}" if reported.is_compared else text

    of_visits = changed(growth(visits, old_visits) if old_visits else "", f"{end}{on_day:,}")
    assert tiles["Visits"][:2] == [f"{visits:,}", of_visits]
    assert tiles["Converted"][:2] == [
        f"{converted:,} {share(converted, visits)}",
        changed(points(converted, visits, old_converted, old_visits or 1), f"{end}{converted_on_day:,}"),
    ]
    assert tiles["Had a hard time"][:2] == [
        f"{hard:,} {share(hard, visits)}",
        changed(points(hard, visits, old_hard, old_visits or 1), f"{end}{hard_on_day:,}"),
    ]
    values = "select sum(value), currency from visits where is_converted and value is not null and of_week group by 2"
    assert ("Value" in tiles) == bool(reported.week(values) or reported.before(values))
    if "Value" in tiles:
        [(value, currency)] = reported.week(values)
        [(value_on_day, _)] = reported.week(values, first=reported.last)
        shown = f"{value:,.0f}" if value >= 1000 else money(value)
        assert tiles["Value"][0] == f"{shown} {currency}"
        assert tiles["Value"][1].endswith(f"{end}{money(value_on_day)}")
    else:
        of_visitors = changed(growth(visitors, old_visitors) if old_visitors else "", f"{end}{visitors_on_day:,}")
        assert tiles["Visitors"][:2] == [f"{visitors:,}", of_visitors]


def test_outcomes(reported: Reported) -> None:
    query = "select outcome, count(*) from visits where of_week group by outcome"
    week, before = dict(reported.week(query)), dict(reported.before(query))
    on_day = dict(reported.week(query, first=reported.last))
    rules = [rule.name for rule in reported.settings.outcomes]
    expected = []
    for name in [name for name in (*rules, "engaged", "bounce") if name in week or name in before]:
        count = week.get(name, 0)
        row = [name.replace("_", " "), f"{count:,}", share(count, sum(week.values()))]
        if before:
            row.append(points(count, sum(week.values()), before.get(name, 0), sum(before.values())))
        expected.append([*row, "", f"{on_day.get(name, 0):,}"])
    assert reported.page.rows("Outcomes as a table") == expected


def test_outcomes_by_day(reported: Reported) -> None:
    head, *rows = reported.page.tables["Outcomes by day as a table"]
    assert [row[0] for row in rows] == [day(value) for value in reported.days]
    for value, row in zip(reported.days, rows, strict=True):
        of_day = dict(
            reported.rows("select outcome, count(*) from visits where session_date = $day group by 1", day=value)
        )
        shown = [name.lower().replace(" ", "_") for name in head[1:]]
        assert row[1:] == [f"{of_day.get(name, 0):,}" for name in shown]
        assert sum(of_day.values()) == sum(of_day.get(name, 0) for name in shown)


def test_days(reported: Reported) -> None:
    has_value = "Value" in reported.page.tables["Days as a table"][0]
    for value, row in zip(reported.days, reported.page.rows("Days as a table"), strict=True):
        [(visits, converted, worth, hard, is_final)] = reported.rows(
            """
            select count(*), count(*) filter (where is_converted), sum(value) filter (where is_converted),
                count(*) filter (where session_id in (select session_id from session_friction where is_hard_time)),
                coalesce(bool_and(is_complete), true)
            from visits where session_date = $day
            """,
            day=value,
        )
        [(bots,)] = reported.rows("select count(*) from sessions where is_bot and session_date = $day", day=value)
        [(copies,)] = reported.rows("select count(*) from duplicate_events where event_date = $day", day=value)
        [(late,)] = reported.rows(
            """
            select count(*) from events
            where event_date = $day and cast(timezone($zone, timezone('UTC', received_at)) as date) > event_date
            """,
            day=value,
            zone=reported.settings.timezone,
        )
        assert row == [
            *(day(value), f"{visits:,}", f"{converted:,}", share(converted, visits)),
            *([money(worth)] if has_value else []),
            *(share(hard, visits), f"{bots:,}", f"{copies:,}", f"{late:,}", "yes" if is_final else "no"),
        ]


def test_funnels(reported: Reported) -> None:
    for funnel in reported.settings.funnels:
        rows = reported.page.rows(f"Funnel {funnel.name} as a table")
        attempts = """
            select step_reached, dropped_to_action, entry_step, entry_date, is_window_closed from funnel_entries
            where funnel = $name and not is_bot and not is_excluded and entry_date between $first and $last
        """
        entries = reported.rows(attempts, name=funnel.name)
        assert bool(rows) == bool(entries)
        counts = [sum(reached > number for reached, *_ in entries) for number in range(len(funnel.steps))]
        losses = [count - after for count, after in zip(counts, [*counts[1:], counts[-1]], strict=True)]
        for number, row in enumerate(rows):
            before = counts[number - 1] if number else None
            assert row[0].removesuffix(" matches no event") == f"{number + 1} {funnel.steps[number].name}"
            assert row[1:3] == [f"{counts[number]:,}", share(counts[number], counts[0])]
            assert row[3] == (wilson(counts[number], counts[0]) if number else NOTHING)
            assert row[4] == (share(counts[number], before) if number else NOTHING)
            is_last = number == len(rows) - 1
            assert row[5].removesuffix(" largest") == (NOTHING if is_last else f"{losses[number]:,}")
            followed = [action or "left" for reached, action, *_ in entries if reached == number + 1 and not is_last]
            assert row[6] == ", ".join(
                f"{named(action)} {share(count, len(followed))}" for action, count in most_frequent(followed)[:3]
            )
        on_day = [sum(e[3] == reported.last and e[0] > number for e in entries) for number in range(len(counts))]
        text = f"{day(reported.last)}: {' → '.join(f'{count:,}' for count in on_day)}."
        assert not rows or text in reported.page.sections["funnels"]
        is_open = sum(not is_closed and reached < len(counts) for reached, _, _, _, is_closed in entries)
        assert not is_open or f"{is_open:,} attempt" in reported.page.sections["funnels"]


def most_frequent(actions: Sequence[str]) -> list[tuple[str, int]]:
    """Count actions, with the pages of a folder as one; the most frequent first, of equal ones by name."""
    counts: dict[str, int] = {}
    for action in actions:
        action = re.sub(r"^(/.+)/[^/]+$", r"\1/…", action) if action.startswith("/") else action
        action = "(none)" if action == "left" else action
        counts[action] = counts.get(action, 0) + 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [("left" if action == "(none)" else action, count) for action, count in ordered]


STEPS = """
    with all_done as (select action, action_number, session_id from done where of_week and action_number <= 6),
    folders as (
        select folder_of(action) as folder from all_done where folder_of(action) != ''
        group by 1 having count(distinct action) > 5
    )
    select coalesce(folder || '/…', action) as action, action_number, count(*)
    from all_done left join folders on folder_of(action) = folder
    group by all
"""


def test_actions_by_position(reported: Reported) -> None:
    counts = {(action, number): count for action, number, count in reported.week(STEPS)}
    [(visits,)] = reported.week("select count(*) from visits where of_week")
    totals: dict[str, int] = {}
    for (action, _), count in counts.items():
        totals[action] = totals.get(action, 0) + count
    frequent = sorted(totals, key=lambda action: (-totals[action], action))[:8]
    shown = {row[0]: row[1:] for row in reported.page.rows("Actions by position")}
    assert list(shown)[:8] == [named(action) for action in frequent]
    for number in range(1, 7):
        there = sum(count for (_, position), count in counts.items() if position == number)
        others = there - sum(counts.get((action, number), 0) for action in frequent)
        for name, count in [
            *((named(action), counts.get((action, number), 0)) for action in frequent),
            ("other actions", others),
            ("visit is over", visits - there),
        ]:
            assert shown[name][number - 1] == (share(count, visits) if count else ""), (name, number)


TRANSITIONS = """
    with moves as (
        select action as from_action, next_action as to_action, count(*) as move_count
        from done where of_week and next_action is distinct from action group by all
    ),
    folders as (
        select folder_of(from_action) as folder
        from (select from_action from moves union select action from done where of_week and next_action = action)
        where folder_of(from_action) != '' group by 1 having count(*) > 5
    ),
    named as (
        select coalesce(a.folder || '/…', from_action) as here, coalesce(b.folder || '/…', to_action) as there,
            sum(move_count) as move_count
        from moves left join folders as a on folder_of(from_action) = a.folder
        left join folders as b on folder_of(to_action) = b.folder
        group by all
    )
    select here, there, move_count, move_count / sum(move_count) over (partition by here) from named
    qualify here != there and there is not null order by move_count desc, here, there limit 12
"""


def test_most_common_steps(reported: Reported) -> None:
    rows = reported.week(TRANSITIONS)
    assert reported.page.rows("Most common steps as a table") == [
        [named(here), named(there), f"{count:,}", share(part, 1)] for here, there, count, part in rows
    ]


FRICTION = """
    with places as (
        select site, action, session_id from done where of_week
        union select site, action, session_id from session_friction where of_week and not is_bot
    ),
    signals as (
        select site, action, session_id, bool_or(is_hard_time) as is_hard,
            array_agg(distinct signal) as signals,
            sum(seconds_lost) filter (where is_hard_time and signal != 'error_loop') as seconds
        from session_friction where of_week and not is_bot group by all
    ),
    pages as (
        select site, action, count(*) as visits, count(*) filter (where is_hard) as hard, sum(seconds) as seconds,
            {signals}
        from places left join signals using (site, action, session_id) group by all
    ),
    folders as (
        select site, folder_of(action) as folder from pages where folder_of(action) != ''
        group by all having count(*) > 5 and 2 * max(hard) <= sum(hard)
    ),
    named as (
        select p.site, coalesce(folder || '/…', action) as action, sum(visits) as visits, sum(hard) as hard, {sums}
        from pages as p left join folders as f on p.site = f.site and folder_of(action) = folder
        group by all having sum(hard) > 0
    ),
    placed as (select *, row_number() over (order by hard desc, action, site) <= 12 as is_shown from named)
    select case when is_shown then site end, case when is_shown then action end, sum(visits), sum(hard) as hard, {sums}
    from placed group by all order by bool_and(is_shown) desc, hard desc, 2, 1
"""
SIGNALS = ("error", "error_loop", "u_turn", "repeated_search", "rage_click", "abandoned_form")


def test_hard_times(reported: Reported) -> None:
    counted = ", ".join(f"count(*) filter (where list_contains(signals, '{name}')) as {name}" for name in SIGNALS)
    sums = ", ".join(f"sum({name}) as {name}" for name in SIGNALS)
    rows = reported.week(FRICTION.format(signals=counted, sums=sums))
    shown = reported.page.rows("Hard times by page as a table")
    assert len(shown) == len(rows) > 0
    for (_, action, visits, hard, *counts), row in zip(rows, shown, strict=True):
        assert row[:4] == [named(action), f"{visits:,}", f"{hard:,}", share(hard, visits)]
        for count, text in zip(counts, row[4:10], strict=True):
            assert text == f"{count:,}" or (text, count) == (NOTHING, 0)  # the events cannot show it


FIRST_PAGES = """
    with pages as (
        select site, landing_action as action, count(*) as visits, count(*) filter (where is_converted) as converted,
            count(*) filter (where outcome = 'bounce') as bounced
        from visits where of_week and landing_action is not null group by all
    ),
    folders as (
        select site, folder_of(action) as folder from pages where folder_of(action) != ''
        group by all having count(*) > 5
    ),
    named as (
        select p.site, coalesce(folder || '/…', action) as action, sum(visits) as visits, sum(converted) as converted,
            sum(bounced) as bounced
        from pages as p left join folders as f on p.site = f.site and folder_of(action) = folder group by all
    ),
    placed as (select *, row_number() over (order by visits desc, action, site) <= 10 as is_shown from named)
    select case when is_shown then action end, sum(visits) as visits, sum(converted), sum(bounced), min(site)
    from placed group by is_shown, case when is_shown then site end, case when is_shown then action end
    order by bool_and(is_shown) desc, visits desc, 1, min(site)
"""


def test_first_pages(reported: Reported) -> None:
    rows = reported.week(FIRST_PAGES)
    assert reported.page.rows("First actions as a table") == [
        [named(action), f"{visits:,}", share(bounced, visits), share(converted, visits), wilson(converted, visits)]
        for action, visits, converted, bounced, _ in rows
    ]


LAST_PAGES = """
    with pages as (
        select v.site, v.exit_action as action, count(*) as ended, any_value(t.visits) as visits
        from visits as v
        inner join (
            select site, action, count(distinct session_id) as visits
            from (
                select site, action, session_id from done where of_week
                union select site, action, session_id from session_friction
                where of_week and not is_bot and starts_with(action, '/')
            )
            group by all
        ) as t on v.site = t.site and v.exit_action = t.action
        where of_week and not is_converted group by all
    ),
    folders as (
        select site, folder_of(action) as folder from pages where folder_of(action) != ''
        group by all having count(*) > 5
    )
    select coalesce(folder || '/…', action) as action, sum(ended) as ended,
        case when any_value(folder) is null then sum(visits) end
    from pages as p left join folders as f on p.site = f.site and folder_of(action) = folder
    group by p.site, 1 order by ended desc, action
"""


def test_last_pages(reported: Reported) -> None:
    rows = reported.week(LAST_PAGES)
    expected = [
        [named(action), f"{ended:,}", NOTHING if visits is None else f"{visits:,}", share(ended, visits)]
        for action, ended, visits in rows[:10]
    ]
    if rows[10:]:
        expected.append(["all others", f"{sum(ended for _, ended, _ in rows[10:]):,}", NOTHING, NOTHING])
    assert reported.page.rows("Last actions as a table") == expected


def test_repeated_searches(reported: Reported) -> None:
    rows = reported.week(
        """
        select f.action, (select count(distinct session_id) from done where of_week and action = f.action),
            count(distinct session_id) as again
        from session_friction as f where of_week and not is_bot and signal = 'repeated_search'
        group by all order by again desc, f.action
        """
    )
    assert reported.page.rows("Repeated searches as a table") == [
        [named(action), f"{visits:,}", f"{again:,}", share(again, visits)] for action, visits, again in rows
    ]


BREAKDOWN = """
    select {value} as value, count(*) as visits, count(*) filter (where is_converted),
        count(*) filter (where outcome = 'bounce'), count(*) filter (where lifecycle = 'new')
    from visits as v left join (select session_id, lifecycle from session_facts) using (session_id)
    left join (select session_id, dimension_value from session_dimensions where dimension = $name) using (session_id)
    where of_week and coalesce($name, '') is not null
    group by all order by visits desc, value limit 12
"""
LIFECYCLES = {"new": "new", "returning": "also there the day before", "resurrected": "back after a pause"}


def test_breakdowns(reported: Reported) -> None:
    own = {name: "dimension_value" for name in reported.settings.dimensions}
    columns = {
        "channel": "channel",
        "device": "device",
        "utm_campaign": "utm_campaign",
        "lifecycle": "lifecycle",
        **own,
    }
    for name, column in columns.items():
        title = {"utm_campaign": "campaign", "lifecycle": "visitor"}.get(name, name.replace("_", " "))
        rows = reported.week(BREAKDOWN.format(value=f"coalesce({column}, '(none)')"), name=name)
        expected = []
        for value, visits, converted, bounced, new in rows:
            label = LIFECYCLES.get(value, value) if name == "lifecycle" else value
            label = label.replace("_", " ") if name in ("channel", "device") else label
            rate = [f"{converted:,}", share(converted, visits), wilson(converted, visits)]
            expected.append([label, f"{visits:,}", *rate, share(bounced, visits), share(new, visits)])
        assert reported.page.rows(f"By {title} as a table") == (expected if len(expected) > 1 else []), name


RETENTION = """
    with firsts as (select site, visitor_id, min(session_date) as first_visit from visits group by all),
    returns as (
        select site, visitor_id, first_visit, (session_date - first_visit) // 7 as week
        from firsts inner join visits using (site, visitor_id) group by all
    )
    select ($last - first_visit) // 7 as age, week, count(*) from returns
    where first_visit > $last - 56 group by all
"""


def test_retention(reported: Reported) -> None:
    found = {(age, week): count for age, week, count in reported.rows(RETENTION)}
    expected = []
    for age in sorted({age for age, _ in found if age > 1}):
        first = reported.last - timedelta(days=7 * age + 6)
        new = found[age, 0]
        weeks = [share(found.get((age, week), 0), new) if week < age else "" for week in range(1, 5)]
        expected.append([short_days(first, first + timedelta(days=6)), f"{new:,}", *weeks])
    width = len(reported.page.tables.get("Visitors who come back, as a table", [[]])[0])
    assert reported.page.rows("Visitors who come back, as a table") == [row[:width] for row in expected]


def test_lines_and_files(reported: Reported) -> None:
    [(lines, accepted, aside)] = reported.rows(
        "select sum(line_count), sum(accepted_count), sum(set_aside_count) from source_files"
    )
    [(events, copies, quarantined)] = reported.rows(
        "select (select count(*) from events), (select count(*) from duplicate_events),"
        " (select count(*) from quarantined_lines)"
    )
    assert aside == quarantined
    text = reported.page.sections["quality"]
    assert f"{lines:,} lines delivered = {accepted:,} accepted + {quarantined:,} quarantined." in text
    waiting = accepted - events - copies
    assert f"{accepted:,} accepted = {events:,} events + {copies:,} duplicates + {waiting:,} waiting" in text
    files = reported.rows(
        "select source, status, count(*), sum(line_count), sum(accepted_count), sum(set_aside_count),"
        " sum(delivery_count) - count(*) from source_files group by all order by source, status"
    )
    assert reported.page.rows("Delivered files as a table") == [
        [*row[:2], *(f"{count:,}" for count in row[2:])] for row in files
    ]
    reasons = reported.rows(
        "select reason, count(*) as line_count, count(distinct file_id), min(detail) from quarantined_lines"
        " group by all order by line_count desc, reason"
    )
    assert reported.page.rows("Quarantined lines as a table") == [
        [reason.replace("_", " "), f"{count:,}", f"{files:,}", detail] for reason, count, files, detail in reasons
    ] or [["No line is quarantined."]]


def test_sites(reported: Reported) -> None:
    rows = reported.week(
        """
        select site, count(*) as visits, count(distinct visitor_id), count(*) filter (where is_converted),
            count(*) filter (where outcome = 'bounce')
        from visits where of_week group by site order by visits desc, site
        """
    )
    bots = dict(reported.week("select site, count(*) from sessions where is_bot and of_week group by site"))
    assert reported.page.rows("Sites as a table") == (
        [
            [site, f"{visits:,}", f"{visitors:,}", f"{converted:,}", share(converted, visits), share(bounced, visits)]
            + [f"{bots.get(site, 0):,}"]
            for site, visits, visitors, converted, bounced in rows
        ]
        if len(rows) > 1
        else []
    )


PATHS = """
    select outcome, window_days, path, session_count, group_session_count, median_action_count, median_seconds
    from typical_paths
    where session_date = $last and segment = '(all)' and rank = 1 and window_days in (7, 28)
"""
COMMON = """
    select action, sum(converted_count) from action_visits where of_week and dimension = 'all' group by action
"""


def test_usual_paths(reported: Reported) -> None:
    """A group has its usual path, or the actions that at least 4 of 10 of the same visits do."""
    usual = {(row[0], row[1]): row[2:] for row in reported.rows(PATHS)}
    text = reported.page.sections["paths"]
    shown = re.findall(
        r"(Visits with(?:out)? an? [\w ]+?) ([\d,]+)(?: in (\d+) days)? (.*?)(?=Visits with|Bounces|$)", text
    )
    assert len(shown) == 2
    for title, count, days, content in shown:
        outcome = title.split(" a ")[1].replace(" ", "_")
        outcome = {"conversion": "(not converted)" if "without" in title else "(converted)"}.get(outcome, outcome)
        path, on_path, visits, actions, seconds = usual[outcome, 28 if days else 7]
        assert count == f"{visits:,}"
        if "take it" in content:
            steps = " ".join(f"{named(step)} {kind_of(step)}" for step in path.split(" > "))
            assert content.startswith(
                f"{share(on_path, visits)} take it: {actions:,.0f} action{'s' * (actions != 1)} in {duration(seconds)}"
                f" (medians) {steps}"
            )
            continue
        assert "What at least 4 of 10 do" in content
        if "without" not in title:
            common = {
                named(action): share(done, visits) for action, done in reported.week(COMMON) if done >= 0.4 * visits
            }
            listed = dict(re.findall(r" (.+?) (\d+\.\d %)", content.split("usual order:")[1]))
            assert listed == common


def kind_of(action: str) -> str:
    return "/" if action == "/" else "page" if action.startswith("/") else "action"


def test_every_link_leads_somewhere(reported: Reported) -> None:
    page = reported.page
    assert len(page.ids) == len(set(page.ids))
    assert {link for link in page.links if not link.startswith("#")} == set()
    assert {link[1:] for link in page.links} <= set(page.ids)


def test_headings_are_in_order(reported: Reported) -> None:
    levels = reported.page.headings
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def flaws(reported: Reported) -> list[tuple[str, str, list[str]]]:
    """Return the sentence of each flaw, its kind, and its example sessions."""
    found = re.findall(r'<article class="flaw.*?</article>', reported.html, flags=re.DOTALL)
    texts = [re.search(r'"sentence">(.*?)</p>.*?<summary>(.*?)</summary>', flaw, flags=re.DOTALL) for flaw in found]
    examples = [re.findall(r"<li><code>(\w+)</code></li>", flaw) for flaw in found]
    plain = [[unescape(part).replace(NARROW_SPACE, " ") for part in text.groups()] for text in texts if text]
    return [(sentence, kind, ids) for (sentence, kind), ids in zip(plain, examples, strict=True)]


def test_what_to_look_at_first(reported: Reported) -> None:
    """The sentences of difficulties have the figures of opportunities; those of hard times, of session_friction."""
    hard_times = 0
    for sentence, kind, examples in flaws(reported):
        if kind.startswith("Goes with fewer conversions"):
            rows = reported.rows(
                "select with_count, rate_with, rate_without, low, high, signal, action, example_session_ids"
                " from opportunities where session_date = $last and is_significant order by window_days desc"
            )
            count, rate, other, low, high, signal, action, ids = next(
                row for row in rows if f" {named(row[6])} " in sentence and f"({row[0]})" in sentence
            )
            assert ids.split()[:3] == examples
            percents = [float(text) / 100 for text in re.findall(r"([\d.]+) %", sentence)]
            assert percents == pytest.approx([rate, other], abs=0.005)
            assert f"({low:.0f} to {high:.0f})" in sentence
        elif kind == "No visits":
            [(day_count,)] = reported.rows("select count(*) from visits where session_date > $last")
            assert day_count == 0
            assert f"since {day(reported.last + timedelta(days=1))}" in sentence
            continue
        else:
            hard_times += 1
            sentence = re.sub(r"^[\d.]+ % of all visits had a hard time\. ", "", sentence)
            [(where, signal)] = re.findall(r"At (.+?), .*?\d (\D+)\.$", sentence) or [
                (sentence.split(": ")[1][:-1], "")
            ]
            row = next(row for row in reported.page.rows("Hard times by page as a table") if row[0] == where)
            signal_column = {"saw an error": 4, "came and left within seconds": 6, "": 4}.get(signal, 7)
            assert f" {row[signal_column]} {signal}" in f" {sentence}"
            assert not signal or f"{row[2]} of {row[1]} " in sentence
            action = where.replace(" ", "_") if not where.startswith("/") else where
        found = reported.rows(
            "select distinct session_id from session_friction where list_contains($ids, session_id) and not is_bot"
            " and (action = $action or folder_of(action) || '/…' = $action)",
            ids=examples,
            action=action,
        )
        assert len(found) == len(examples) > 0
    assert hard_times > 0


def test_what_works(reported: Reported) -> None:
    """A group that converts more often is a row of a table; other sentences are rows of the tables of associations."""
    text = reported.page.sections["works"]
    [(visits, converted)] = reported.week(
        "select count(*), count(*) filter (where is_converted) from visits where of_week"
    )
    written = reported.rows(
        "select replace(replace(sentence, 'Sessions', 'Visits'), '_', ' ') from next_best_actions"
        " where session_date = $last union select replace(sentence, '_', ' ') from progress_changes"
        " where session_date between $first and $last and score >= 3.5"
    )
    rows = [row for label in reported.page.tables for row in reported.page.rows(label)]
    sentences = re.findall(r"✓ (.+?) (?:A comparison|An association|Nothing says)", text)
    assert len(sentences) == 2
    for sentence in sentences:
        found = re.fullmatch(
            r"Visits .+ convert more often: (.+ %) \((.+ %)\) against (.+ %) of all visits\.", sentence
        )
        if found is None:
            assert (sentence,) in written
            continue
        rate, interval, usual = found.groups()
        assert usual == share(converted, visits)
        assert any({rate, interval} <= set(row) and f" {row[0]} " in sentence for row in rows)


def test_footer_names_the_publication(reported: Reported) -> None:
    [(generation, until, version)] = reported.rows("select generation, data_until, package_version from warehouse_info")
    text = reported.page.sections["footer"]
    assert f"session_pipeline {version} from generation {generation} of the store" in text
    assert f"Data through {day(until)} {until.year}." in text

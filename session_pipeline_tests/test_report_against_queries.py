"""Compares the figures, days, groups and files of the report with queries over rows of sessions and events.

The queries are written from the documents (definitions, report, tables). They read no daily table where there are rows.
"""

from datetime import timedelta
from itertools import pairwise

from session_pipeline_tests.report_tables import (
    day,
    growth,
    money,
    points,
    share,
    short_days,
    wilson,
)
from session_pipeline_tests.reported_queries import Reported


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
    ever = {name for (name,) in reported.rows("select distinct outcome from visits where session_date <= $last")}
    shown = {*week, *before, *(ever & set(reported.settings.conversions))}
    rules = [rule.name for rule in reported.settings.outcomes]
    expected = []
    for name in [name for name in (*rules, "engaged", "bounce") if name in shown]:
        count = week.get(name, 0)
        row = [name.replace("_", " "), f"{count:,}", share(count, sum(week.values()))]
        if reported.is_compared:
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
    own = dict.fromkeys(reported.settings.dimensions, "dimension_value")
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
        returned = [found.get((age, week), 0) if week < age else None for week in range(1, 5)]
        shown = share if new >= 30 else "{:,} of {:,}".format
        weeks = ["" if count is None else shown(count, new) for count in returned]
        expected.append([short_days(first, first + timedelta(days=6)), f"{new:,}", *weeks])
    width = len(reported.page.tables.get("Visitors who come back as a table", [[]])[0])
    assert reported.page.rows("Visitors who come back as a table") == [row[:width] for row in expected]


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
    query = """
        select site, count(*) as visits, count(distinct visitor_id), count(*) filter (where is_converted),
            count(*) filter (where outcome = 'bounce')
        from visits where of_week group by site order by visits desc, site
    """
    before = {site: (visits, converted) for site, visits, _, converted, _ in reported.before(query)}
    bots = dict(reported.week("select site, count(*) from sessions where is_bot and of_week group by site"))
    expected = []
    for site, visits, visitors, converted, bounced in reported.week(query):
        row = [site, f"{visits:,}", f"{visitors:,}", f"{converted:,}", share(converted, visits)]
        if reported.is_compared:
            row.insert(2, growth(visits, before[site][0]))
            row.append(points(converted, visits, *before[site][::-1]))
        expected.append([*row, share(bounced, visits), f"{bots.get(site, 0):,}"])
    assert reported.page.rows("Sites as a table") == (expected if len(expected) > 1 else [])


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


def test_footer_names_the_publication(reported: Reported) -> None:
    [(generation, until, version)] = reported.rows("select generation, data_until, package_version from warehouse_info")
    text = reported.page.sections["footer"]
    assert f"session_pipeline {version} from generation {generation} of the store" in text
    assert f"Data through {day(until)} {until.year}." in text

"""Compares the funnels, steps, pages, hard times and sentences of the report with queries over rows of actions.

The queries are written from the documents (definitions, report, tables). They read no daily table where there are rows.
"""

import re
from collections.abc import Sequence
from datetime import timedelta
from html import unescape

import pytest

from session_pipeline.report.funnels import open_days
from session_pipeline_tests.report_tables import (
    NARROW_SPACE,
    NOTHING,
    day,
    duration,
    named,
    share,
    wilson,
)
from session_pipeline_tests.reported_queries import FOLDER, Reported


def test_funnels(reported: Reported) -> None:
    """Funnels with a window longer than a day have other days; test_report_funnels.py tests them."""
    longer = open_days(reported.settings)
    for funnel in (each for each in reported.settings.funnels if each.name not in longer):
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
    """Count actions, with the pages of a large folder as one; the most frequent first, of equal ones by name."""
    pages_of: dict[str, set[str]] = {}
    for action in actions:
        if found := re.search(FOLDER, action):
            pages_of.setdefault(found[1], set()).add(action)
    counts: dict[str, int] = {}
    for action in actions:
        found = re.search(FOLDER, action)
        name = f"{found[1]}/…" if found and len(pages_of[found[1]]) > 5 else action
        name = "(none)" if name == "left" else name
        counts[name] = counts.get(name, 0) + 1
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
    qualify there is not null order by move_count desc, here, there limit 12
"""


def test_most_common_steps(reported: Reported) -> None:
    rows = reported.week(TRANSITIONS)
    assert reported.page.rows("Most common steps as a table") == [
        [named(here), "another page there" if there == here else named(there), f"{count:,}", share(part, 1)]
        for here, there, count, part in rows
    ]


FRICTION = """
    with places as (
        select site, action, session_id from done where of_week
        union select site, action, session_id from session_friction where of_week and not is_bot
    ),
    signals as (
        select site, action, session_id, bool_or(is_hard_time) as is_hard,
            array_agg(distinct signal) as signals
        from session_friction where of_week and not is_bot group by all
    ),
    pages as (
        select site, action, count(*) as visits, count(*) filter (where is_hard) as hard
        from places left join signals using (site, action, session_id) group by all
    ),
    folders as (
        select site, folder_of(action) as folder from pages where folder_of(action) != ''
        group by all having count(*) > 5 and 2 * max(hard) <= sum(hard)
    ),
    met as (
        select s.*, coalesce(folder || '/…', action) as place
        from signals as s left join folders as f on s.site = f.site and folder_of(action) = folder
    ),
    named as (
        select m.site, place as action, count(distinct session_id) filter (where is_hard) as hard, {signals},
            max(visits) filter (where place = p.action) as visits
        from met as m left join pages as p on m.site = p.site and m.action = p.action
        group by all having hard > 0
    ),
    placed as (select *, row_number() over (order by hard desc, action, site) <= 12 as is_shown from named)
    select case when is_shown then site end, case when is_shown then action end,
        max(visits) filter (where is_shown), sum(hard) as hard, {sums}
    from placed group by all order by bool_and(is_shown) desc, hard desc, 2, 1
"""
SIGNALS = ("error", "error_loop", "u_turn", "repeated_search", "rage_click", "abandoned_form")


def test_hard_times(reported: Reported) -> None:
    counted = ", ".join(
        f"count(distinct session_id) filter (where list_contains(signals, '{name}')) as {name}" for name in SIGNALS
    )
    sums = ", ".join(f"sum({name}) as {name}" for name in SIGNALS)
    rows = reported.week(FRICTION.format(signals=counted, sums=sums))
    shown = reported.page.rows("Hard times by page as a table")
    assert len(shown) == len(rows) > 0
    for (_, action, visits, hard, *counts), row in zip(rows, shown, strict=True):
        there = NOTHING if visits is None else f"{visits:,}"
        assert row[:4] == [named(action), there, f"{hard:,}", share(hard, visits)]
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
        group by all having count(*) > 5 and 2 * max(visits) <= sum(visits)
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
        group by all having count(*) > 5 and 2 * max(ended) <= sum(ended)
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


def test_search_terms(reported: Reported) -> None:
    rows = reported.week(
        """
        with found as (
            select distinct trim(regexp_replace(lower(e.search_term), '[[:space:]]+', ' ', 'g')) as term,
                v.session_id, v.site, v.visitor_id, v.is_converted,
                v.session_id in (select session_id from session_friction where signal = 'repeated_search') as again
            from events as e inner join (select * from visits where of_week) as v using (session_id)
            where e.search_term is not null
        )
        select term, count(*) as visits, count(*) filter (where again), count(*) filter (where is_converted)
        from found group by term having count(distinct (site, visitor_id)) >= 5 order by visits desc, term limit 10
        """
    )
    assert reported.page.rows("Search terms as a table") == [
        [term, f"{visits:,}", share(again, visits), share(converted, visits)] for term, visits, again, converted in rows
    ]


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


PATHS = """
    select outcome, window_days, path, session_count, group_session_count, median_action_count, median_seconds
    from typical_paths
    where session_date = $last and segment = '(all)' and rank = 1 and window_days in (7, 28)
"""
COMMON = {
    "with": """
        select action, sum(converted_count) from action_visits where of_week and dimension = 'all' group by action
    """,
    "without": """
        select action, count(distinct session_id) from done
        where of_week and not is_converted and outcome != 'bounce' group by action
    """,
}


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
            steps = path.split(" > ")
            repeats = ", with repeats," if round(actions) > len(steps) and "(more)" not in steps else ""
            medians = f"in {duration(seconds)} (medians)" if seconds > 0.5 else "(median)"
            of_many = ", the most common of many paths" if on_path < visits / 10 else ""
            assert content.startswith(
                f"{share(on_path, visits)} take it{of_many}: {actions:,.0f} action{'s' * (actions != 1)}{repeats}"
                f" {medians} {' '.join(f'{named(step)} {kind_of(step)}' for step in steps)}"
            )
            continue
        assert "At least 4 of 10 do each of these" in content
        done_by = reported.week(COMMON["without" if "without" in title else "with"])
        common = {named(action): share(done, visits) for action, done in done_by if done >= 0.4 * visits}
        listed = dict(re.findall(r" (.+?) (\d+\.\d %)", content.split("average position:")[1]))
        assert listed == common


def kind_of(action: str) -> str:
    return "/" if action == "/" else "page" if action.startswith("/") else "action"


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
            _, rate, other, low, high, signal, action, ids = next(
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
            assert not signal or (row[2] if row[1] == NOTHING else f"{row[2]} of {row[1]}") + " visits " in sentence
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
    days = r"(?: Visits of the last \d+ days?\.)?"
    sentences = re.findall(rf"✓ (.+?){days} (?:A comparison|An association|Nothing says)", text)
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

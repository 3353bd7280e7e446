"""Tests the report of unusual data: many settings, several sites, unmatched funnel steps, no visits, no warehouse."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from session_pipeline import report
from session_pipeline.cli.results import Results, read_results, show_results
from session_pipeline.errors import StoreError
from session_pipeline.publish.publication import Published
from session_pipeline.report import figures, formats, paths
from session_pipeline.settings import load_settings
from session_pipeline.settings_warnings import find_for_folder
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.report_pages import BROWSING, HOSTILE_STEP, LAST, Visits, written


@pytest.mark.long
def test_repeated_actions_and_large_folders_are_folded(tmp_path: Path) -> None:
    visits = Visits()
    visits.add(LAST, 2, [f"/product/{name}" for name in "abc"])
    visits.add(LAST, 2, [f"/product/{name}" for name in "def"])
    visits.add(LAST, 1, ["/about", "/about", "/help/a"])
    deployment = Deployment(tmp_path)
    deployment.deliver("events", visits.lines)
    deployment.run(until=LAST)
    page = written(deployment)
    assert page.row("/product/…") == ["/product/…", "80.0 %", "80.0 %", "80.0 %", ""]
    assert page.row("/about") == ["/about", "20.0 %", "20.0 %", "", ""]
    assert page.row("visit is over") == ["visit is over", "", "", "", "100.0 %"]
    assert "no comparison with the week before, because visits start on Fri 15 Mar" in page.text
    assert "No visit converted in 1 day. [[outcomes]] in settings.toml defines what counts" in page.text
    assert "What visits did besides looking at pages" not in page.text
    assert not [
        text
        for text in ("What works", '<div class="converted">', "Who converts", "Conversion rate by")
        if text in page.html
    ]
    assert "Change" not in next(row for row in page.rows if row[0] == "Outcome")


@pytest.mark.long
def test_actions_that_can_be_conversions_are_named_if_no_visit_converted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    visits = Visits()
    for number in range(9):  # more pages than the report lists among the first actions
        visits.add(LAST, 4, [f"/{number}", *BROWSING])
    visits.add(LAST, 3, ["/0", "kauf"])
    visits.add(LAST, 1, [*map("/{}".format, range(9)), "anfrage"])
    deployment = Deployment(tmp_path)
    deployment.deliver("events", visits.lines)
    deployment.run(until=LAST)
    in_report = "What visits did besides looking at pages: kauf, anfrage. If one of them is a purchase"
    assert in_report in written(deployment).text.replace(" ,", ",").replace(" .", ".")
    in_summary = "No session converted. Actions that are not pages: kauf (3 sessions), anfrage (1 session). If"
    show_results(results_of(deployment), [LAST], [], is_all_days=True)
    assert in_summary in capsys.readouterr().out
    assert results_of(deployment, [LAST]).unconverted is None, "an upgrade can change what converts"

    deployment.set({"sources": {"test": {"event_names": {"kauf": "purchase"}}}})
    deployment.run(until=LAST)
    assert "What visits did besides" not in written(deployment).text
    show_results(results_of(deployment), [LAST], [], is_all_days=True)
    assert "No session converted" not in capsys.readouterr().out

    renamed = [{"name": "order", "where": "event_name = 'purchase'", "is_conversion": True}]
    deployment.set({"sources": {"test": {"event_names": {"kauf": "purchase"}}}, "outcomes": renamed})
    assert results_of(deployment).unconverted is None, "as days that are frozen have the former name"
    deployment.set({"outcomes": [{"name": "order", "where": "event_name = 'purchase'"}]})
    assert results_of(deployment).unconverted is None, "nothing is a conversion"


def results_of(deployment: Deployment, outdated_days: Sequence[date] = ()) -> Results:
    """Return the results of all days."""
    settings = load_settings(deployment.folder.path)
    return read_results(deployment.folder, settings, [LAST], outdated_days, is_all_days=True)


@pytest.mark.long
def test_funnel_step_matching_no_event_is_not_a_loss(tmp_path: Path) -> None:
    steps = [
        {"name": "page", "where": "event_name = 'page_view'"},
        {"name": "cart", "where": "event_name = 'add_to_cart'"},
        {"name": "purchase", "where": f"event_name = 'purchese' or event_name = '{HOSTILE_STEP}'"},
    ]
    visits = Visits()
    visits.add(LAST, 5, ["/shop/a", "add_to_cart", "purchase"])
    visits.add(LAST, 1, ["/shop/a"])
    deployment = Deployment(tmp_path, {"funnels": [{"name": "checkout", "steps": steps}]})
    deployment.deliver("events", visits.lines)
    deployment.run(until=LAST)
    page = written(deployment)
    head = page.text[: page.text.index("How visits ended")]
    assert "Settings to check: 1 some figures below can be wrong until they are fixed" in head
    assert "funnels[checkout].steps[purchase].where : event_name = 'purchese' or" in head
    assert "similar values of event_name: 'purchase'" in head
    assert page.elements.isdisjoint({"script", "img"})
    assert page.row("1 page")[-2] == "1 largest"
    assert page.row("2 cart")[-2] == "5"
    assert page.row("3 purchase matches no event")[1] == "0"
    assert "−1 (16.7 %), largest loss" in page.text
    assert "−5" not in page.text
    assert page.text.count("matches no event") == 4  # in the warning, the chart and its text, and the table


@pytest.mark.long
def test_funnel_with_only_an_unmatched_step_has_no_largest_loss(tmp_path: Path) -> None:
    steps = [{"name": name, "where": f"event_name = '{name}'"} for name in ("page_view", "purchese")]
    visits = Visits()
    visits.add(LAST, 2, ["/shop/a", "purchase"])
    deployment = Deployment(tmp_path, {"funnels": [{"name": "checkout", "steps": steps}]})
    deployment.deliver("events", visits.lines)
    deployment.run(until=LAST)
    assert "largest loss" not in written(deployment).html.split("Glossary")[0]


@pytest.mark.long
def test_report_names_twenty_settings_and_counts_the_rest(tmp_path: Path) -> None:
    goals = [{"name": f"g{number}", "where": "event_name = 'purchese'"} for number in range(23)]
    visits = Visits()
    visits.add(LAST, 1, ["/shop/a"])
    deployment = Deployment(tmp_path, {"goals": goals})
    deployment.deliver("events", visits.lines)
    deployment.run(until=LAST)
    text = written(deployment).text
    assert text.count("goals[g") == 20
    assert "3 more. session-pipeline check lists all." in text


@pytest.mark.long
def test_files_that_contain_those_before_make_no_figure_wrong(tmp_path: Path) -> None:
    visits = Visits()
    deployment = Deployment(tmp_path)
    for days in range(5, 0, -1):
        visits.add(LAST - timedelta(days=days - 1), 1, BROWSING)
        deployment.deliver(f"last {days}", visits.lines)
    deployment.run(until=LAST)
    [warning] = find_for_folder(deployment.folder, load_settings(tmp_path)).warnings
    assert warning.key == "sources.test"
    assert "Settings to check" not in written(deployment).text


@pytest.mark.long
def test_setting_the_site_of_sources_updates_the_report(tmp_path: Path) -> None:
    visits = Visits()
    visits.add(LAST, 2, BROWSING)
    settings: dict[str, Any] = {"sources": {"a": {"timezone": "UTC"}, "b": {"timezone": "UTC"}}}
    deployment = Deployment(tmp_path, settings)
    for source in ("a", "b"):
        deployment.deliver("events", visits.lines, source=source)
    deployment.run(until=LAST)
    assert "raw/a and raw/b share one site" in written(deployment).text
    for source in settings["sources"].values():
        source["site"] = "main"
    deployment.set(settings)
    assert deployment.run(until=LAST) == []
    assert isinstance(deployment.published, Published)
    assert not report.is_current(deployment.folder)
    assert "Settings to check" not in written(deployment).text


@pytest.mark.long
def test_several_sites_have_a_table(tmp_path: Path) -> None:
    visits = Visits()
    visits.add(LAST, 2, BROWSING)
    deployment = Deployment(tmp_path, {"sources": {"b": {"site": "b.example"}}})
    deployment.deliver("events", visits.lines, source="a")
    deployment.deliver("events", visits.lines[:3], source="b")
    deployment.run(until=LAST)
    page = written(deployment)
    assert "By site" in page.text
    assert page.row("main")[:3] == ["main", "2", "2"]
    assert page.row("b.example")[:3] == ["b.example", "1", "1"]
    landed = [row for row in page.rows if row[0] == "/shop/c" and row[1] in ("main", "b.example")]
    assert sorted(row[:3] for row in landed[:2]) == [["/shop/c", "b.example", "1"], ["/shop/c", "main", "2"]]
    assert "Visits 3 Fri 15 Mar: 3 Visitors 3 Fri 15 Mar: 3" in page.text


def test_usual_actions_are_those_of_the_named_site() -> None:
    path = {"window_days": 7, "outcome": "(not converted)", "rank": 1, "path": "/a", "session_count": 1, "share": 0.01}
    path |= {"median_action_count": 1.0, "median_seconds": 1.0}
    done = {"converted_share": None, "converted_place": None, "other_share": 0.5, "other_place": 1.0}
    groups = paths.visit_groups(
        [path | {"site": "large", "group_session_count": 90}, path | {"site": "small", "group_session_count": 10}],
        [done | {"site": "large", "action": "/a"}, done | {"site": "small", "action": "/b"}],
        [],
        has_several_sites=True,
    )
    assert (groups[1].site, groups[1].common) == ("large", [(("/a", "page", ""), 0.5)])


def group_of(site: str, outcome: str, visits: int) -> dict[str, Any]:
    """Return the row of a path that nobody else takes, in a group with this many visits."""
    row = {"window_days": 7, "rank": 1, "path": "/a", "session_count": 1, "share": 0.01, "median_seconds": 1.0}
    return row | {"median_action_count": 1.0, "site": site, "outcome": outcome, "group_session_count": visits}


def test_both_usual_paths_are_of_the_site_with_most_conversions() -> None:
    rows = [
        group_of("blog", "(not converted)", 90),
        group_of("blog", "(converted)", 1),
        group_of("shop", "(not converted)", 20),
        group_of("shop", "(converted)", 10),
    ]
    groups = paths.visit_groups(rows, [], [], has_several_sites=True)
    assert [(group.site, group.session_count) for group in groups] == [("shop", 10), ("shop", 20)]
    groups = paths.visit_groups(rows, [], [], has_several_sites=True, of_site="blog")
    assert [(group.site, group.session_count) for group in groups] == [("blog", 1), ("blog", 90)]


def test_site_with_most_conversions_can_have_rare_paths_only() -> None:
    rare = {"rank": None, "path": None, "session_count": None, "share": None}
    rows = [group_of("blog", "(converted)", 3), group_of("shop", "(converted)", 10) | rare]
    group = paths.visit_groups(rows, [], [], has_several_sites=True)[0]
    assert (group.site, group.session_count, group.paths) == ("shop", 10, [])


def usual(outcome: str, window_days: int, on_path: int, visit_count: int) -> dict[str, Any]:
    row = group_of("main", outcome, visit_count) | {"window_days": window_days}
    return row | {"session_count": on_path, "share": on_path / visit_count}


def test_both_usual_paths_are_of_the_same_days() -> None:
    """The paths of conversions need 28 days, those of other visits do not."""
    rows = [usual("(converted)", 7, 1, 20), usual("(converted)", 28, 9, 80)]
    rows += [usual("(not converted)", 7, 50, 200), usual("(not converted)", 28, 210, 800)]
    groups = paths.visit_groups(rows, [], [], has_several_sites=False)
    assert [(group.window_days, group.session_count) for group in groups] == [(28, 80), (28, 800)]


def test_varied_paths_of_one_conversion_are_those_of_all() -> None:
    """What many visits do is known of all conversions together, not of purchases."""
    rows = [usual(outcome, 7, 1, count) for outcome, count in (("purchase", 20), ("(converted)", 60))]
    done = {"site": "main", "action": "/a", "converted_share": 0.5, "converted_place": 1.0, "other_share": None}
    outcomes = [
        {"outcome": name, "is_converted": True, "has_value": name == "purchase"} for name in ("purchase", "lead")
    ]
    group = paths.visit_groups(rows, [done | {"other_place": None}], outcomes, has_several_sites=False)[0]
    assert (group.title, group.session_count, len(group.common)) == ("Visits with a conversion", 60, 1)


@pytest.mark.parametrize(
    ("outcome", "title"),
    [
        ("purchase", "Visits with a purchase"),
        ("order", "Visits with an order"),
        ("user_plan", "Visits with a user plan"),
    ],
)
def test_outcome_with_a_value_has_its_article(outcome: str, title: str) -> None:
    outcomes = [{"outcome": outcome, "is_converted": True, "has_value": True}]
    assert paths.visit_groups([], [], outcomes, has_several_sites=False)[0].title == title


@pytest.mark.parametrize(
    ("on_path", "visit_count", "has_few", "is_varied"),
    [(1, 1, True, True), (4, 4, True, False), (4, 5, False, False), (4, 41, False, True), (1, 6, False, True)],
)
def test_paths_are_varied_if_few_visits_and_a_small_share_take_one(
    on_path: int, visit_count: int, has_few: bool, is_varied: bool
) -> None:
    path = {"site": "main", "window_days": 7, "outcome": "(not converted)", "rank": 1, "path": "/a"}
    path |= {"session_count": on_path, "group_session_count": visit_count, "share": on_path / visit_count}
    done = {"site": "main", "action": "/a", "converted_share": None, "converted_place": None}
    group = paths.visit_groups([path], [done | {"other_share": 1.0, "other_place": 1.0}], [], False)[1]
    assert (group.has_few, bool(group.common)) == (has_few, is_varied)


def test_warehouse_without_visits_explains_what_to_do(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    deployment.run(until=LAST)
    page = written(deployment)
    assert "No visits yet" in page.text
    assert "Put event files" in page.text
    assert "Run session-pipeline run" in page.text


@pytest.mark.long
def test_warehouse_with_only_bots_says_why_there_are_no_visits(tmp_path: Path) -> None:
    visits = Visits()
    visits.add(LAST, 2, BROWSING, user_agent="Googlebot/2.1 (+http://www.google.com/bot.html)")
    deployment = Deployment(tmp_path)
    deployment.deliver("events", visits.lines)
    deployment.run(until=LAST)
    text = written(deployment).text
    assert "All visits are from bots, which are left out." in text
    assert "if some are people, change the rules under [bots]" in text


def test_warehouse_with_only_quarantined_lines_explains_why(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    deployment.deliver("events", ["{broken", "{broken too"])
    deployment.run(until=LAST)
    page = written(deployment)
    assert "none of their lines is a valid event" in page.text
    assert page.row("invalid json")[:2] == ["invalid json", "2"]


def test_missing_warehouse_explains_how_to_make_one(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    with pytest.raises(StoreError, match="session-pipeline run"):
        report.write(deployment.folder)
    assert not deployment.folder.reports.exists()


def test_unopenable_warehouse_is_explained_in_one_sentence(tmp_path: Path) -> None:
    folder = Deployment(tmp_path).folder
    folder.warehouse.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="cannot be opened"):
        report.write(folder)


@pytest.mark.long
def test_report_never_replaces_that_of_a_newer_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    visits = Visits()
    visits.add(LAST, 2, BROWSING)
    deployment = Deployment(tmp_path)
    deployment.deliver("events", visits.lines)
    deployment.run(until=LAST)
    read = figures.read

    def read_while_a_run_publishes(*arguments: Any) -> figures.Figures:
        found = read(*arguments)
        monkeypatch.setattr(figures, "read", read)
        visits.add(LAST, 5, BROWSING)
        deployment.deliver("late", visits.lines[6:])
        deployment.run(until=LAST)
        assert "7 visits" in written(deployment).html.replace(formats.THIN_SPACE, " ")
        return found

    monkeypatch.setattr(figures, "read", read_while_a_run_publishes)
    assert "7 visits" in written(deployment).html.replace(formats.THIN_SPACE, " ")
    assert report.is_current(deployment.folder)

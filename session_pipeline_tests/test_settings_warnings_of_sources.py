"""Tests warnings about sources: their sites, names of events, page views, times and visitors."""

import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from session_pipeline.settings import as_toml, parse_settings
from session_pipeline.settings_warnings import window
from session_pipeline.settings_warnings.sources import (
    folders_of_sources,
    growing_files,
    is_like_page_view,
    missing_columns,
)
from session_pipeline_tests.deployment import Deployment, to_toml
from session_pipeline_tests.warned_deployments import DAY, OF_SOURCES, line, visit, warnings_of

UNUSUAL_NAMES = {
    "titled": {"Page View": "page_view"},
    "home": {"home_page_viewed": "page_view"},
    "short": {"view": "page_view", "addtocart": "add_to_cart", "transaction": "purchase"},
    "odd": {'shop\\Page View of "Ann\'s" articles, with a name of more than sixty signs': "page_view"},
}
UNKNOWN_VISITORS = {"named": ("NA", 10), "few": ("undefined", 9), "zero": ("0", 10)}  # the id, and its events
COMMAS = {  # the field, its value and the number of its events
    "comma": ("value", "1.234,50", 2),
    "mapped": ("Price: (net)", "1.234,50", 1),
    "thousands": ("value", "1,234", 2),
    "mixed": ("value", "1,5", 1),
}
DATES = {"midnight": "00:00", "later": "00:15"}  # the time of the first of ten events; the others are at midnight


@pytest.fixture(scope="module")
def two_sources(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A shop's pages, and its forms, which have no page views. Tests must not write to it."""
    deployment = Deployment(tmp_path_factory.mktemp("two") / "data", only=OF_SOURCES)
    deployment.deliver("events", visit(DAY), source="web")
    deployment.deliver("events", [line(DAY, "ann", 5, "contact")], source="forms")
    deployment.run()
    return deployment


def test_files_that_are_skipped_are_no_files_of_a_source(tmp_path: Path) -> None:
    for name in ("spark/_SUCCESS", "spark/.a.jsonl", "spark/.part/b.jsonl", "web/_metadata/c.jsonl", ".hidden/d.jsonl"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert folders_of_sources(tmp_path) == {"spark": False, "web": True}


@pytest.mark.parametrize(
    ("sources", "keys"),
    [
        ({}, {"sources.forms.site", "sources.forms"}),
        ({"forms": {"timezone": "UTC"}}, {"sources.forms.site", "sources.forms"}),
        ({"forms": {"site": "main"}}, {"sources.web.site"}),
        ({"forms": {"site": "main"}, "web": {"site": "main"}}, set()),
        ({"forms": {"site": "a.example"}, "web": {"site": "a.example"}}, {"sources.forms"}),
        ({"forms": {"site": "a.example"}}, {"sources.forms"}),
    ],
)
def test_sources_that_share_a_site_must_set_it(
    two_sources: Deployment, sources: dict[str, Any], keys: set[str]
) -> None:
    assert warnings_of(two_sources, {"sources": sources}).keys() == keys


def test_shared_site_warning_names_folders_and_keys(two_sources: Deployment) -> None:
    assert warnings_of(two_sources)["sources.forms.site"] == (
        "raw/forms and raw/web share one site, 'main', by default: equal visitor ids in them count as one person, and a"
        " visit or an order that several of them have, with other ids, counts in each;"
        " set sources.forms.site and sources.web.site in settings.toml ('main' if one site is right)"
    )


@pytest.mark.parametrize(
    ("names", "warned"),
    [
        ({"Contact": "lead"}, {"Contact": "raw/forms has no event 'Contact' so far; similar event names: 'contact';"}),
        ({"xyz": "lead"}, {"xyz": "raw/forms has no event 'xyz' so far; existing event names: 'contact';"}),
        ({"contact": "lead"}, {}),  # not read by this setting yet
        ({"Form Sent": "contact"}, {}),  # it was read by this setting
    ],
)
def test_event_name_that_a_source_does_not_have_is_named(
    two_sources: Deployment, names: dict[str, str], warned: dict[str, str]
) -> None:
    sources = {"forms": {"event_names": names, "site": "main"}, "web": {"site": "main"}}
    found = warnings_of(two_sources, {"sources": sources})
    of_names = {key: text for key, text in found.items() if ".event_names" in key}
    assert of_names.keys() == {f"sources.forms.event_names[{name}]" for name in warned}
    for name, start in warned.items():
        assert of_names[f"sources.forms.event_names[{name}]"].startswith(start)


@pytest.mark.long
def test_settings_are_not_compared_with_events_that_were_read_with_others(tmp_path: Path) -> None:
    """The store has events of the old name only, although each delivered file has the name that the setting names."""

    def named(**event_names: str) -> dict[str, Any]:
        return {"sources": {"web": {"event_names": event_names}}}

    deployment = Deployment(tmp_path / "data", named(page_opened="page_view"))
    path = deployment.deliver("events", [line(DAY, "ann", 0, "page_opened")], source="web")
    deployment.run()
    changed = {
        **named(page_opened="screen"),
        "outcomes": [{"name": "seen", "where": "event_name = 'screen'"}],
    }
    assert warnings_of(deployment, changed) == {
        "sources.web": "raw/web was read with other settings, or by another version: the next run reads its files"
        " again, and then compares the settings with their events"
    }
    path.unlink()  # its rows stay as they were read
    assert warnings_of(deployment, changed).keys() == {
        "sources.web.event_names[page_opened]",
        "outcomes[seen].where",
    }


@pytest.mark.long
def test_first_event_names_are_compared_before_files_are_read_again(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data")
    deployment.deliver("events", visit(DAY), source="web")
    deployment.run()
    wrong = {"sources": {"web": {"event_names": {"bought": "purchase", "clicked": "tap", "page_view": "view"}}}}
    assert "sources.web.event_names[clicked]" in warnings_of(deployment, wrong)


def test_event_names_of_a_packaged_preset_are_not_compared(two_sources: Deployment) -> None:
    sources = {"forms": {"preset": "plausible", "site": "main"}, "web": {"site": "main"}}
    parsed = parse_settings(to_toml({"sources": sources}))
    assert parsed.source("forms").event_names
    assert not any(".event_names" in key for key in warnings_of(two_sources, {"sources": sources}))


def test_source_without_page_views_is_named_with_its_events(two_sources: Deployment) -> None:
    sentence = warnings_of(two_sources)["sources.forms"]
    assert sentence.startswith("raw/forms has no page view so far; existing event names: 'contact'; page views must")


def test_source_alone_on_its_own_site_is_to_join_a_site_with_page_views(two_sources: Deployment) -> None:
    sentence = warnings_of(two_sources, {"sources": {"forms": {"site": "forms.example"}}})["sources.forms"]
    assert sentence.endswith("set sources.forms.site to that of a source with page views")


@pytest.fixture(scope="module")
def one_site_each(tmp_path_factory: pytest.TempPathFactory) -> tuple[Deployment, dict[str, dict[str, Any]]]:
    """Sources that have a site each, one for each case, and their settings. Read only."""
    lines: dict[str, list[dict[str, Any]]] = {}
    for source, names in UNUSUAL_NAMES.items():
        lines[source] = [line(DAY, "ann", minute, name) for minute, name in enumerate([*names, "click"])]
    for source, (visitor, event_count) in UNKNOWN_VISITORS.items():
        lines[source] = [*visit(DAY), *(line(DAY, visitor, minute, "page_view") for minute in range(event_count))]
    for source, hour in DATES.items():
        views = [line(DAY, f"v{number}", 0, "page_view") for number in range(10)]
        lines[source] = [
            {**each, "event_time": f"{DAY}T{'00:00' if number else hour}"} for number, each in enumerate(views)
        ]
    for source, (field, value, event_count) in COMMAS.items():
        purchases = [line(DAY, "bob", minute, "purchase", **{field: value}) for minute in range(event_count)]
        with_point = [line(DAY, "cid", 0, "purchase", value=12.5)] if source in ("thousands", "mixed") else []
        lines[source] = [*visit(DAY), *purchases, *with_point]
    sections: dict[str, dict[str, Any]] = {source: {"site": source} for source in lines}
    sections["mapped"]["columns"] = {"value": COMMAS["mapped"][0]}
    for source in UNKNOWN_VISITORS:
        sections[source]["null_values"] = [r"\N"]
    for source in DATES:
        sections[source]["timezone"] = "Europe/Berlin"
    deployment = Deployment(tmp_path_factory.mktemp("warned") / "data", {"sources": sections}, only=OF_SOURCES)
    for source, delivered in lines.items():
        deployment.deliver("events", delivered, source=source)
    deployment.run()
    return deployment, sections


@pytest.fixture(scope="module")
def warned(one_site_each: tuple[Deployment, dict[str, dict[str, Any]]]) -> dict[str, str]:
    deployment, sections = one_site_each
    return warnings_of(deployment, {"sources": sections})


@pytest.mark.parametrize("source", UNUSUAL_NAMES)
def test_events_of_other_names_are_named_with_the_setting_that_renames_them(
    warned: dict[str, str], source: str
) -> None:
    names = UNUSUAL_NAMES[source]
    fix = f"sources.{source}.event_names = {as_toml(names)}"
    assert warned[f"sources.{source}"].endswith(f"page views must have event_name 'page_view': set {fix}")
    assert parse_settings(fix).source(source).event_names == names


@pytest.mark.parametrize(("source", "is_named"), [("midnight", True), ("later", False)])
def test_source_with_dates_only_is_named(warned: dict[str, str], source: str, is_named: bool) -> None:
    said = f"all times of raw/{source} are midnight so far: its lines have dates without a time of day"
    assert warned.get(f"sources.{source}", "").startswith(said) is is_named


@pytest.mark.parametrize(
    ("source", "is_named"), [("comma", True), ("mapped", True), ("thousands", False), ("mixed", False)]
)
def test_source_with_decimal_commas_is_named(warned: dict[str, str], source: str, is_named: bool) -> None:
    key = f"sources.{source}.decimal_comma"
    lines = "1 line" if COMMAS[source][2] == 1 else "2 lines"
    said = f"raw/{source} has values with a decimal comma, whose lines are quarantined: {lines}, such as '1.234,50'"
    assert warned.get(key) == (f"{said}; to accept them, set {key} = true" if is_named else None)


def test_source_that_reads_decimal_commas_is_not_named(
    one_site_each: tuple[Deployment, dict[str, dict[str, Any]]], warned: dict[str, str]
) -> None:
    deployment, sections = one_site_each
    reading = {**sections, "comma": {**sections["comma"], "decimal_comma": True}}
    key = "sources.comma.decimal_comma"
    assert key in warned
    assert warnings_of(deployment, {"sources": reading}) == {name: warned[name] for name in warned if name != key}


def test_decimal_commas_count_only_in_files_of_recent_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "MOST_DAYS", 2)
    deployment = Deployment(tmp_path / "data", only=OF_SOURCES)
    comma = line(DAY, "bob", 0, "purchase", value="1,5")
    deployment.deliver("before", [*visit(DAY), comma], source="old")
    deployment.deliver("now", [*visit(DAY + timedelta(window.MOST_DAYS + 1)), comma], source="recent")
    for day in range(2, window.MOST_DAYS + 1):
        deployment.deliver(f"day_{day}", visit(DAY + timedelta(day)), source="web")
    deployment.deliver("after", [comma], source="rejected")
    deployment.run()
    named = [key for key in warnings_of(deployment) if key.endswith(".decimal_comma")]
    assert named == ["sources.recent.decimal_comma", "sources.rejected.decimal_comma"]


@pytest.mark.parametrize(("source", "is_named"), [("named", True), ("few", False), ("zero", False)])
def test_visitors_who_are_not_known_are_named(warned: dict[str, str], source: str, is_named: bool) -> None:
    visitor, _ = UNKNOWN_VISITORS[source]
    fix = rf'sources.{source}.null_values = ["\\N", "{visitor}"]'
    said = (
        f"visitors of raw/{source} who are not known count as one person with the id '{visitor}' so far; to set such"
        f" lines aside, set {fix}; or map another field to visitor_id"
    )
    of_source = {key: text for key, text in warned.items() if key.startswith(f"sources.{source}")}
    assert of_source == ({f"sources.{source}.null_values": said} if is_named else {})
    assert parse_settings(fix).source(source).null_values == (r"\N", visitor)


def test_renamed_source_has_no_warning(two_sources: Deployment, tmp_path: Path) -> None:
    """Its rows stay as they were read. Whether its old section is kept or not, no setting changes them."""
    renamed = two_sources.copied_to(tmp_path / "data")
    (renamed.folder.raw / "forms").rename(renamed.folder.raw / "contact")
    for sources in ({"contact": {"site": "a.example"}}, {"contact": {"site": "a.example"}, "forms": {"site": "b"}}):
        assert warnings_of(renamed, {"sources": sources}) == {}


def test_source_whose_files_were_removed_still_must_set_its_site(two_sources: Deployment, tmp_path: Path) -> None:
    emptied = two_sources.copied_to(tmp_path / "data")
    (emptied.folder.raw / "forms" / "events.jsonl").unlink()
    assert warnings_of(emptied).keys() == {"sources.forms.site", "sources.forms"}


@pytest.mark.long
def test_page_view_under_another_name_is_reported(tmp_path: Path) -> None:
    names = ["pageview", "$pageview", "Page Viewed", "Viewed page", "page", "screen_view"]
    blogs = {f"blog{number}": name for number, name in enumerate(names)}
    settings = {"sources": {source: {"site": "main"} for source in ("web", *blogs)}}
    deployment = Deployment(tmp_path, settings)
    deployment.deliver("events", visit(DAY), source="web")
    for minute, (source, name) in enumerate(blogs.items(), start=5):
        deployment.deliver("events", [line(DAY, "ann", minute, name)], source=source)
    deployment.run()
    assert warnings_of(deployment, settings).keys() == {f"sources.{source}" for source in blogs}


@pytest.mark.parametrize(
    ("name", "is_like_one"),
    [
        *((name, True) for name in ("pageview", "PAGE_VIEW", "Page Viewed", "pageView", "viewPage", "UserViewedPage")),
        *((name, False) for name in ("review_page", "preview-page", "pageReview", "Page Overview", "view_item")),
    ],
)
def test_only_a_view_of_a_page_is_like_a_page_view(name: str, is_like_one: bool) -> None:
    assert is_like_page_view(name) is is_like_one


def test_folders_are_compared_before_the_first_run(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    deployment.deliver("events", visit(DAY), source="web")
    (deployment.folder.raw / "empty").mkdir()
    (deployment.folder.raw / ".hidden").mkdir()
    (deployment.folder.raw / "coming").mkdir()
    (deployment.folder.raw / "coming" / ".events.jsonl").write_text("{}")
    assert warnings_of(deployment) == {}
    deployment.deliver("events", visit(DAY), source="my app")
    assert warnings_of(deployment).keys() == {'sources."my app".site'}
    assert not deployment.folder.store.exists()


@pytest.mark.long
def test_lines_of_visitors_who_are_not_known_are_quarantined_as_advised(tmp_path: Path) -> None:
    fixed = {"sources": {"web": {"null_values": ["-", "undefined"]}}}
    deployment = Deployment(tmp_path / "data", {"sources": {"web": {"null_values": ["-"]}}})
    deployment.deliver("events", [line(DAY, "undefined", each, "page_view") for each in range(10)], source="web")
    deployment.deliver("more", visit(DAY), source="web")
    deployment.run()
    assert warnings_of(deployment, fixed) == {}  # of a file that is gone, the rows would stay
    assert warnings_of(deployment, {"sources": {"web": {"constants": {"visitor_id": "undefined"}}}}) == {}
    deployment.set(fixed)
    deployment.run()
    assert warnings_of(deployment, fixed) == {}
    assert set(deployment.table("sessions")["visitor_id"]) == {"ann"}
    assert set(deployment.table("quarantined_lines")["reason"]) == {"missing_visitor_id"}


GROWING = [(1, day, 100 * day) for day in range(1, 6)]


@pytest.mark.parametrize(
    ("days", "is_named"),
    [
        ("v" * 10 + "...", True),
        ("v" * 10 + "." * 9, True),
        ("v" * 9 + "...", False),
        ("v" * 10 + "..", False),
        ("v" * 10 + "...v", False),
        ("vvvvv.vvvvv...", False),
        (".....", False),
    ],
)
def test_column_whose_field_is_gone_is_named(days: str, is_named: bool) -> None:
    """A v is a day with a file that has a value and one that has none, a dot is a day with two files that have none."""
    settings = parse_settings(to_toml({"sources": {"web": {"columns": {"value": "Summe"}}}}))
    with duckdb.connect() as connection:
        connection.execute(
            "create table source_files (file_id text, source text, path text, status text, mapping text,"
            " last_event_time timestamp)"
        )
        for number, mapping in enumerate(days):
            for part, known in (("a", {"value": "Summe"} if mapping == "v" else {}), ("b", {})):
                path = f"web/{number:02}-{part}.csv"
                row = [path, "web", path, "accepted", json.dumps(known), datetime(2024, 5, 1) + timedelta(days=number)]
                connection.execute("insert into source_files values ($1, $2, $3, $4, $5, $6)", row)
        warnings = list(missing_columns(connection, settings, ["web"]))
        assert list(missing_columns(connection, settings, [])) == []
    assert [warning.key for warning in warnings] == (["sources.web.columns.value"] if is_named else [])
    for warning in warnings:
        assert warning.problem == "no value of 'Summe' in the files since 'web/10-a.csv';"


@pytest.mark.long
def test_renamed_field_of_a_column_is_named_until_its_new_name_is_in_the_settings(tmp_path: Path) -> None:
    def named(*names: str) -> dict[str, Any]:
        return {"sources": {"web": {"columns": {"value": list(names)}}}}

    deployment = Deployment(tmp_path / "data", named("Summe"), only=OF_SOURCES)
    for number in range(13):
        day = DAY + timedelta(days=number)
        amount = {"Summe" if number < 10 else "Betrag": 20}
        deployment.deliver(f"orders-{day}", [line(day, "ann", 0, "page_view", **amount)], source="web")
    deployment.run()
    assert warnings_of(deployment, named("Summe")) == {
        "sources.web.columns.value": "no value of 'Summe' in the files since 'web/orders-2024-05-16.jsonl'; 3 files"
        " have none, but each of the 10 days with files before had one; if the field was renamed, add its new name,"
        " which try shows, to sources.web.columns.value"
    }
    deployment.set(named("Summe", "Betrag"))
    deployment.run()
    assert warnings_of(deployment, named("Summe", "Betrag")) == {}


@pytest.mark.parametrize(
    ("files", "is_named"),
    [
        pytest.param(GROWING, True, id="a file that grows for five days"),
        pytest.param(GROWING[:4], False, id="four days may be a coincidence"),
        pytest.param([(1, 1, 100 + each) for each in range(9)], False, id="files of one day"),
        pytest.param([(day, day + 1, 100) for day in range(1, 9)], False, id="the days since the last export"),
        pytest.param([(1, day, 100) for day in range(1, 9)], False, id="files with equally many lines"),
        pytest.param([*GROWING, (1, 6, 300)], False, id="a later file with fewer lines"),
        pytest.param([*GROWING, (1, 5, 550)], True, id="a version with late lines"),
        pytest.param([*GROWING, (6, 6, 100)], False, id="only new lines since then"),
        pytest.param([*GROWING, (3, 4, 100)], True, id="an earlier file of its own"),
        pytest.param([*GROWING, (None, None, 0)], True, id="a file without events"),
    ],
)
def test_files_that_contain_those_before_are_named(
    files: Sequence[tuple[int | None, int | None, int]], is_named: bool
) -> None:
    """A file is the days of its first and its last event, and the number of its lines."""
    with duckdb.connect() as connection:
        connection.execute(
            "create table source_files (file_id text, source text, path text, status text, line_count bigint,"
            " first_event_time timestamp, last_event_time timestamp)"
        )
        for number, (first, last, line_count) in enumerate(files):
            times = [each and datetime(2024, 5, each, 10) for each in (first, last)]
            row = [str(number), "web", f"web/{number}.csv", "accepted", line_count, *times]
            connection.execute("insert into source_files values ($1, $2, $3, $4, $5, $6, $7)", row)
            refused = [f"r{number}", "forms", "forms/a.csv", "refused", line_count, *times]
            connection.execute("insert into source_files values ($1, $2, $3, $4, $5, $6, $7)", refused)
        warnings = list(growing_files(connection, ["web", "forms"]))
        assert [warning.key for warning in warnings] == (["sources.web"] if is_named else [])
        assert list(growing_files(connection, ["forms"])) == []


@pytest.mark.long
def test_files_with_the_lines_of_those_before_are_named_until_only_new_lines_are_delivered(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", only=OF_SOURCES)
    days = [DAY + timedelta(days=number) for number in range(6)]
    for count in range(1, 6):
        deployment.deliver(f"until {count}", [each for day in days[:count] for each in visit(day)], source="web")
    deployment.run()
    assert warnings_of(deployment)["sources.web"] == (
        "each new file of raw/web contains the events of the files before: 5 files begin at 2024-05-06 10:00:00 UTC,"
        " the last is 'web/until 5.jsonl'; with each of them, all of its days are built again, and runs become slower;"
        " deliver only new lines"
    )
    deployment.deliver("new", visit(days[5]), source="web")
    deployment.run()
    assert warnings_of(deployment) == {}


def page_views(first: int, visitors: int = 12, days: Sequence[int] = (0, 1, 2), **fields: Any) -> list[dict[str, Any]]:
    """Return a page view of each visitor on each day, without ids."""
    return [
        {key: value for key, value in line(on, f"v{number}", number, "page_view").items() if key != "event_id"}
        | {"page_url": "https://shop.example/", **fields}
        for on in (DAY + timedelta(days=first + day) for day in days)
        for number in range(visitors)
    ]


@pytest.mark.parametrize(
    ("second", "same_count"),
    [
        pytest.param(page_views(2, country="de"), 12, id="a day"),
        *(
            pytest.param(events, same_count, marks=pytest.mark.long, id=name)
            for name, events, same_count in (
                ("two days", page_views(1, country="de"), 24),
                ("equal lines", page_views(1), 0),
                ("no day in both", page_views(3, country="de"), 0),
                ("few visitors", page_views(1, visitors=9, country="de"), 0),
                ("with ids", [{**event, "event_id": str(number)} for number, event in enumerate(page_views(1))], 0),
                ("other pages", [{**event, "page_url": "https://shop.example/b"} for event in page_views(1)], 0),
            )
        ),
    ],
)
def test_files_that_repeat_events_with_other_fields_are_named(
    tmp_path: Path, second: list[dict[str, Any]], same_count: int
) -> None:
    deployment = Deployment(tmp_path, {"start_date": DAY}, only=OF_SOURCES)
    deployment.deliver("a", page_views(0), source="web")
    deployment.deliver("b", second, source="web")
    deployment.run(publishes=False)
    found = warnings_of(deployment).get("sources.web.columns.event_id", "")
    assert (f"at least {same_count} events of 'web/b.jsonl' are also in 'web/a.jsonl'" in found) == bool(same_count)
    assert bool(found) == bool(same_count)


@pytest.mark.long
def test_repeated_events_are_one_with_an_id_from_an_expression(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = Deployment(tmp_path, {"start_date": DAY}, only=OF_SOURCES)
    deployment.deliver("a", page_views(0, visitors=60), source="web")
    deployment.deliver("b", page_views(0, visitors=60, country="de"), source="web")
    deployment.run(publishes=False)
    assert "at least 180 events" in warnings_of(deployment)["sources.web.columns.event_id"]
    monkeypatch.setattr("session_pipeline.settings_warnings.sources.MOST_COMPARED_EVENTS", 180)
    some = re.search("at least ([0-9]+) events", warnings_of(deployment)["sources.web.columns.event_id"])
    assert some is not None
    assert 60 < int(some[1]) < 120, "of half of the visitors"
    [expression] = re.findall(r'event_id = "(visitor_id .*?)"', Path("docs/operations.md").read_text())
    expression = expression.replace(r"\|", "|")  # escaped in a table
    deployment.set({"start_date": DAY, "sources": {"web": {"expressions": {"event_id": expression}}}})
    deployment.deliver("c", page_views(0, visitors=60, page_url="https://shop.example/other"), source="web")
    deployment.run(publishes=False)
    assert len(deployment.table("events")) == 180 + 180, "another page in the same second is another event"
    settings = {"sources": {"web": {"expressions": {"event_id": expression}}}}
    assert "sources.web.columns.event_id" not in warnings_of(deployment, settings)

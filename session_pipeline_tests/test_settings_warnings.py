"""Tests warnings about settings: each rule that matches nothing is named, and no other rule is."""

import shutil
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from session_pipeline import settings_warnings
from session_pipeline.errors import StoreError
from session_pipeline.settings import load_settings, parse_settings
from session_pipeline.settings_warnings import similar, window
from session_pipeline_tests.deployment import Deployment, to_toml

DAY = date(2024, 5, 6)
RARE_DAY = DAY - timedelta(weeks=1)
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


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A session on each of two days; only the earlier day has a sign_up. Tests must not write to it."""
    deployment = Deployment(tmp_path_factory.mktemp("shop") / "data")
    deployment.deliver("rare", [*visit(RARE_DAY), line(RARE_DAY, "ann", 4, "sign_up")], source="web")
    deployment.deliver("usual", visit(DAY), source="web")
    deployment.run()
    return deployment


def found(deployment: Deployment, settings: Mapping[str, Any] | None = None) -> settings_warnings.Findings:
    """Return the findings for other settings than the deployment was built with."""
    return settings_warnings.find_for_folder(
        deployment.folder, parse_settings(to_toml({"start_date": DAY, **(settings or {})}))
    )


def warnings_of(deployment: Deployment, settings: Mapping[str, Any] | None = None) -> dict[str, str]:
    return {warning.key: warning.sentence for warning in found(deployment, settings).warnings}


@pytest.mark.long
def test_unchanged_packaged_rules_are_not_reported(shop: Deployment) -> None:
    assert found(shop).warnings == ()


BUY, MISSPELLED = "event_name = 'purchase'", "event_name = 'purchese'"


@pytest.mark.parametrize(
    ("settings", "key", "sentence"),
    [
        (
            {"outcomes": [{"name": "bought", "where": MISSPELLED}]},
            "outcomes[bought].where",
            "event_name = 'purchese' matches no event so far; similar values of event_name: 'purchase'; correct it or"
            " remove it",
        ),
        (
            {"outcomes": [{"name": "deep", "where_session": "page_view_count > 2"}]},
            "outcomes[deep].where_session",
            "page_view_count > 2 matches no session so far; correct it or remove it",
        ),
        (
            {"outcomes": [{"name": "mail", "where_session": "channel = 'Direkt'"}]},
            "outcomes[mail].where_session",
            "similar values of channel: 'direct'",
        ),
        (
            {"outcomes": [{"name": "bought", "where": BUY, "value": "try_cast(properties ->> 'orders' as decimal)"}]},
            "outcomes[bought].value",
            "is null for every event that meets where, so far; similar keys of properties: 'order'",
        ),
        ({"goals": [{"name": "bought", "where": MISSPELLED}]}, "goals[bought].where", "matches no event"),
        (
            {"goals": [{"name": "paid", "where": f"{BUY} and value > 20"}]},
            "goals[paid].where",
            "event_name = 'purchase' exists, so check the rest of the condition",
        ),
        (
            {"funnels": [{"name": "f", "steps": [{"name": "a", "where": BUY}, {"name": "b", "where": MISSPELLED}]}]},
            "funnels[f].steps[b].where",
            "matches no event",
        ),
        (
            {
                "funnels": [
                    {
                        "name": "f",
                        "steps": [
                            {"name": "a", "where": "event_name = 'page_view'"},
                            {"name": "b", "where": "event_name = 'purchase'"},
                        ],
                        "exclusions": [{"where": "event_name = 'logout'"}],
                    }
                ]
            },
            "funnels[f].exclusions[0].where",
            "existing event names: 'page_view', 'click', 'purchase', 'sign_up'",
        ),
        (
            {"dimensions": {"variant": "properties ->> 'varyant'"}},
            "dimensions.variant",
            "is null for every event so far; similar keys of properties: 'variant'",
        ),
        ({"sessions": {"separator": "session_start"}}, "sessions.separator", "matches no event"),
        ({"sessions": {"split_on_user": True}}, "sessions.split_on_user", "user_id is null for every event"),
        ({"sessions": {"passive_events": ["clicc"]}}, "sessions.passive_events[clicc]", "'click'"),
        ({"actions": {"ignored_events": ["clicc"]}}, "actions.ignored_events[clicc]", "'click'"),
        (
            {"actions": {"fold": [{"pattern": "/item/[0-9]+", "replacement": "/:id"}]}},
            "actions.fold[0].pattern",
            "/item/[0-9]+ matches no page path so far",
        ),
        (
            {"patterns": [{"name": "again", "pattern": "/cart -> [^x]* -> purchese"}]},
            "patterns[again].pattern[purchese]",
            "action = 'purchese' matches no action so far; similar values of action: 'purchase'",
        ),
        (
            {"patterns": [{"name": "buy", "pattern": "page_view -> purchase"}]},
            "patterns[buy].pattern[page_view]",
            "the action of a page view is its path, without numbers and ids; existing actions: '/cart'",
        ),
        (
            {"patterns": [{"name": "buy", "pattern": "scroll -> purchase"}]},
            "patterns[buy].pattern[scroll]",
            "matches no action so far; it is in ignored_events of [actions]",
        ),
        (
            {"patterns": [{"name": "buy", "pattern": "/cart -> purchase", "among": ["/cart", "purchase", "clicc"]}]},
            "patterns[buy].among[clicc]",
            "action = 'clicc' matches no action so far; similar values of action: 'click'",
        ),
        (
            {"goals": [{"name": "item", "where": "page_path like '/item/*'"}]},
            "goals[item].where",
            "page_path like '/item/*' matches no event so far; in like, % stands for any text; correct it",
        ),
        ({"bots": {"patterns": ["firefox/"]}}, "bots.patterns[firefox/]", "firefox/ matches no user agent so far;"),
        ({"bots": {"exceptions": ["^Ours"]}}, "bots.exceptions[^Ours]", "^Ours matches no user agent so far;"),
        (
            {"friction": {"forms": [{"start": BUY, "submit": MISSPELLED}]}},
            "friction.forms[0].submit",
            "matches no event so far; similar values of event_name: 'purchase'",
        ),
        ({"friction": {"click": "event_name = 'clicc'"}}, "friction.click", "similar values of event_name: 'click'"),
        ({"friction": {"error": "event_name = 'oops'"}}, "friction.error", "matches no event"),
        ({"identity": {"by": "person"}}, "identity.by", "user_id is null for every event so far;"),
    ],
)
def test_rule_that_matches_nothing_is_named(
    shop: Deployment, settings: dict[str, Any], key: str, sentence: str
) -> None:
    sentences = warnings_of(shop, settings)
    assert sentences.keys() == {key}
    assert sentence in sentences[key]


@pytest.mark.parametrize(
    "settings",
    [
        {"outcomes": [{"name": "bought", "where": BUY, "value": "value"}]},
        {"goals": [{"name": "joined", "where": "event_name = 'sign_up'"}]},
        {"outcomes": [{"name": "pages", "where_session": "page_view_count = 2"}]},
        {"dimensions": {"test": "properties ->> 'variant'"}},
        {"patterns": [{"name": "joined", "pattern": "/cart -> (purchase | sign_up) -> [^unknown]"}]},
        {"sessions": {"separator": "purchase", "passive_events": ["click"]}, "actions": {"ignored_events": ["click"]}},
        {"bots": {"patterns": ["Firefox/"], "exceptions": ["^Mozilla"]}},
        {"bots": {"patterns": ["^Nothing"]}, "privacy": {"user_agents": "reduced"}},
        {"friction": {"forms": [{"start": BUY, "submit": "event_name = 'sign_up'"}], "click": BUY}},
        {"friction": {"signals": ["u_turn"], "click": MISSPELLED, "forms": [{"start": BUY, "submit": MISSPELLED}]}},
        {"identity": {"by": "person", "previous_id": "properties ->> 'variant'"}},
        {"identity": {"by": "person", "link": [{"visitor_id": "ann", "user_id": "a"}]}},
        # The second pattern matches only the result of the first.
        {
            "actions": {
                "fold": [
                    {"pattern": "lamp-[0-9]+", "replacement": ":lamp"},
                    {"pattern": "/item/:lamp$", "replacement": "/lamps"},
                ]
            }
        },
    ],
)
def test_rule_that_matches_on_any_day_is_not_reported(shop: Deployment, settings: dict[str, Any]) -> None:
    assert warnings_of(shop, settings) == {}


def test_value_is_not_reported_together_with_its_condition(shop: Deployment) -> None:
    sentences = warnings_of(
        shop, {"goals": [{"name": "bought", "where": MISSPELLED, "value": "cast(user_id as decimal)"}]}
    )
    assert sentences.keys() == {"goals[bought].where"}


@pytest.mark.long
def test_packaged_funnel_is_reported_once_it_is_entered(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    deployment.deliver("events", [line(DAY, "ann", 0, "page_view"), line(DAY, "ann", 1, "add_to_cart")])
    deployment.run()
    findings = found(deployment)
    assert [warning.key for warning in findings.warnings] == ["funnels[checkout].steps[begin checkout].where"]
    assert "define your own [[funnels]], or write funnels = [] for none" in findings.warnings[0].sentence
    assert findings.unmatched_steps == {
        ("checkout", 2),
        ("checkout", 3),
        ("product to purchase", 1),
        ("product to purchase", 3),
    }


@pytest.mark.long
def test_only_the_last_28_days_with_events_count(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, {"goals": [], "funnels": []})
    days = [DAY + timedelta(days=2 * number) for number in range(29)]
    deployment.deliver("old", [line(days[0], "ann", 0, "sign_up")])
    deployment.deliver("new", [line(day, "ann", 0, "page_view") for day in days[1:]])
    deployment.run()
    rule = {"goals": [{"name": "joined", "where": "event_name = 'sign_up'"}]}
    assert "matches no event of the last 28 days with events" in warnings_of(deployment, rule)["goals[joined].where"]
    deployment.deliver("again", [line(days[1], "bob", 0, "sign_up")])
    deployment.run()
    assert warnings_of(deployment, rule) == {}


def test_days_beyond_the_event_limit_are_not_read(shop: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = {"goals": [{"name": "joined", "where": "event_name = 'sign_up'"}]}
    monkeypatch.setattr(window, "MOST_EVENTS", 8)
    assert "of the last day with events" in warnings_of(shop, rule)["goals[joined].where"]
    monkeypatch.setattr(window, "MOST_EVENTS", 9)
    assert warnings_of(shop, rule) == {}


def test_no_warning_names_a_value_of_a_single_visitor(tmp_path: Path) -> None:
    texts = dict.fromkeys(("user_id", "client_session_id", "page_url", "referrer", "search_term"), "https://a.b/mine")
    deployment = Deployment(tmp_path / "data")
    deployment.deliver("a", [line(DAY, "ann", 0, "page_view", **texts, properties={"whose": "mine"})], source="web")
    deployment.run()
    [event] = deployment.table("events").to_dict("records")
    for column in ("event_id", "visitor_id", "properties", *texts):
        condition = f"{column} = '{event[column]}0'"
        [warning] = warnings_of(deployment, {"goals": [{"name": "g", "where": condition}]}).values()
        assert warning == f"{condition} matches no event so far; correct it or remove it"


def test_hints_are_given_for_the_first_twenty_rules_only(shop: Deployment) -> None:
    goals = [{"name": f"g{number}", "where": f"event_name = 'purchas{number}'"} for number in range(25)]
    sentences = list(warnings_of(shop, {"goals": goals}).values())
    assert ["similar values" in sentence for sentence in sentences] == [True] * 20 + [False] * 5


@pytest.mark.long
def test_problem_stays_the_same_when_days_are_added(shop: Deployment, tmp_path: Path) -> None:
    shutil.copytree(shop.folder.path, tmp_path / "data")
    later = Deployment(tmp_path / "data")
    later.deliver("later", [line(DAY + timedelta(days=1), "bob", 0, "page_view")], source="web")
    later.run()
    rule = {"goals": [{"name": "left", "where": "event_name = 'logout'"}]}
    assert [warning.problem for warning in found(later, rule).warnings] == [
        warning.problem for warning in found(shop, rule).warnings
    ]


@pytest.fixture(scope="module")
def two_sources(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A shop's pages, and its forms, which have no page views. Tests must not write to it."""
    deployment = Deployment(tmp_path_factory.mktemp("two") / "data")
    deployment.deliver("events", visit(DAY), source="web")
    deployment.deliver("events", [line(DAY, "ann", 5, "contact")], source="forms")
    deployment.run()
    return deployment


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
        "raw/forms and raw/web share one site, 'main', by default: equal visitor ids in them count as one person;"
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


def test_event_names_of_a_packaged_preset_are_not_compared(two_sources: Deployment) -> None:
    sources = {"forms": {"preset": "plausible", "site": "main"}, "web": {"site": "main"}}
    parsed = parse_settings(to_toml({"sources": sources}))
    assert parsed.source("forms").event_names
    assert not any(".event_names" in key for key in warnings_of(two_sources, {"sources": sources}))


def test_source_without_page_views_is_named_with_its_events(two_sources: Deployment) -> None:
    sentence = warnings_of(two_sources)["sources.forms"]
    assert sentence.startswith("raw/forms has no page view so far; existing event names: 'contact'; page views must")


def test_page_view_of_another_name_is_named_with_the_setting_that_renames_it(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data")
    deployment.deliver("events", [line(DAY, "ann", 0, "Page View"), line(DAY, "ann", 1, "click")], source="web")
    deployment.run()
    fix = "sources.web.event_names = { 'Page View' = 'page_view' }"
    assert warnings_of(deployment)["sources.web"].endswith(f"page views must have event_name 'page_view': set {fix}")
    assert parse_settings(fix).source("web").event_names == {"Page View": "page_view"}


def test_renamed_source_has_no_warning(two_sources: Deployment, tmp_path: Path) -> None:
    """Its rows stay as they were read. Whether its old section is kept or not, no setting changes them."""
    shutil.copytree(two_sources.folder.path, tmp_path / "data")
    renamed = Deployment.at(tmp_path / "data")
    (renamed.folder.raw / "forms").rename(renamed.folder.raw / "contact")
    for sources in ({"contact": {"site": "a.example"}}, {"contact": {"site": "a.example"}, "forms": {"site": "b"}}):
        assert warnings_of(renamed, {"sources": sources}) == {}


def test_source_whose_files_were_removed_still_must_set_its_site(two_sources: Deployment, tmp_path: Path) -> None:
    shutil.copytree(two_sources.folder.path, tmp_path / "data")
    emptied = Deployment.at(tmp_path / "data")
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


def test_deployment_without_events_has_no_warning(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    deployment.run(until=DAY)
    assert warnings_of(deployment, {"goals": [{"name": "bought", "where": MISSPELLED}]}) == {}


def test_unreadable_warehouse_is_an_error_in_one_sentence(shop: Deployment, tmp_path: Path) -> None:
    shutil.copytree(shop.folder.path, tmp_path / "data")
    deployment = Deployment.at(tmp_path / "data")
    deployment.folder.warehouse.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="cannot be opened"):
        warnings_of(deployment)


def test_sample_has_no_warning(sample_deployment: Deployment) -> None:
    findings = settings_warnings.find_for_folder(sample_deployment.folder, load_settings(sample_deployment.folder.path))
    assert findings == settings_warnings.Findings()


def test_list_of_existing_values_is_short() -> None:
    names = ["newsletter_subscription_opened", "product_detail_viewed", "view", "click"]
    assert similar.listed(names) == "'newsletter_subscription_opened', 'product_detail_viewed' and 2 more"
    assert similar.listed(["x" * 45, "y" * 45]) == f"'{'x' * 45}' and 1 more"
    assert similar.listed(list("abcdefgh")) == "'a', 'b', 'c', 'd', 'e', 'f' and 2 more"
    assert similar.listed(["view"]) == "'view'"


@pytest.mark.parametrize(("hour", "is_midnight"), [("00:00", True), ("00:15", False)])
def test_source_with_dates_only_is_named(tmp_path: Path, hour: str, is_midnight: bool) -> None:
    settings = {"sources": {"web": {"timezone": "Europe/Berlin"}}}
    deployment = Deployment(tmp_path / "data", settings)
    lines = [{**line(DAY, f"v{number}", 0, "page_view"), "event_time": f"{DAY}T00:00"} for number in range(10)]
    deployment.deliver("events", [*lines[1:], {**lines[0], "event_time": f"{DAY}T{hour}"}], source="web")
    deployment.run()
    said = "all times of raw/web are midnight so far: its lines have dates without a time of day"
    assert warnings_of(deployment, settings).get("sources.web", "").startswith(said) is is_midnight

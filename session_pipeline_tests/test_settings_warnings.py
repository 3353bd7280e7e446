"""Tests warnings about settings: each rule that matches nothing is named, and no other rule is."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from session_pipeline import settings_warnings
from session_pipeline.errors import StoreError
from session_pipeline.settings import load_settings, parse_settings
from session_pipeline.settings_warnings import similar, window
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.warned_deployments import DAY, OF_SOURCES, found, line, visit, warnings_of

RARE_DAY = DAY - timedelta(weeks=1)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A session on each of two days; only the earlier day has a sign_up. Tests must not write to it."""
    deployment = Deployment(tmp_path_factory.mktemp("shop") / "data")
    deployment.deliver("rare", [*visit(RARE_DAY), line(RARE_DAY, "ann", 4, "sign_up")], source="web")
    deployment.deliver("usual", visit(DAY), source="web")
    deployment.run()
    return deployment


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
            "is null or empty for every event so far; similar keys of properties: 'variant'",
        ),
        (
            {"dimensions": {"total": "properties ->> 'order.total'"}},
            "dimensions.total",
            "is null or empty for every event so far; if total is a key in order, write '$.order.total';",
        ),
        (
            {"dimensions": {"clicked": "case when event_name = 'click' then '' end"}},
            "dimensions.clicked",
            "is null or empty for every event so far",
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
    deployment = Deployment(tmp_path, only=OF_SOURCES)
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


def test_packaged_form_is_reported_once_it_is_started(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, only=OF_SOURCES)
    names = ("page_view", "form_start", "form_submitted")
    deployment.deliver("events", [line(DAY, "ann", minute, name) for minute, name in enumerate(names)])
    deployment.run()
    sentences = warnings_of(deployment)
    assert sentences.keys() == {"friction.forms[0].submit"}
    assert sentences["friction.forms[0].submit"].endswith(
        "similar values of event_name: 'form_submitted'; write your own forms in [friction], or forms = [] for none"
    )
    deployment.deliver("lead", [line(DAY, "bob", 0, "generate_lead")])
    deployment.run()
    assert warnings_of(deployment) == {}


@pytest.mark.long
def test_only_the_last_28_days_with_events_count(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, {"goals": [], "funnels": []}, only=OF_SOURCES)
    days = [DAY + timedelta(days=number + number // 10) for number in range(29)]  # two days have no events
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


def test_warning_does_not_say_so_far_if_events_can_expire(shop: Deployment) -> None:
    settings = {"identity": {"by": "person"}, "privacy": {"keep_days": {"raw": 10, "events": 13}}}
    assert "null for every event of the last 2 days with events;" in warnings_of(shop, settings)["identity.by"]


def test_days_whose_events_have_expired_are_not_compared() -> None:
    settings = parse_settings("privacy.keep_days = { raw = 10, events = 13 }")
    with duckdb.connect() as warehouse:
        warehouse.execute("create table events as select $day as event_date", {"day": DAY})
        warehouse.execute(
            "create table daily_summary as"
            " select unnest([$day, $expired]) as session_date, 1 as session_count, 0 as bot_session_count",
            {"day": DAY, "expired": RARE_DAY},
        )
        assert window.recent_days(warehouse, settings) == window.Window((DAY,), is_everything=False)
        warehouse.execute("delete from events")
        assert window.recent_days(warehouse, settings) is None


@pytest.mark.long
def test_expired_events_give_no_warning(tmp_path: Path) -> None:
    kept = {"raw": 10, "events": 13}
    deployment = Deployment(tmp_path / "data", {"start_date": DAY, "privacy": {"keep_days": kept}})
    deployment.deliver("a", visit(DAY), source="web")
    rule = {"goals": [{"name": "bought", "where": BUY}]}
    deployment.run(until=DAY)
    deployment.run(until=DAY + timedelta(days=13))
    assert deployment.table("events").empty
    assert not deployment.table("daily_summary").empty
    assert warnings_of(deployment, rule) == {}


@pytest.mark.long
def test_no_warning_names_a_value_of_a_single_visitor(tmp_path: Path) -> None:
    texts = dict.fromkeys(("user_id", "client_session_id", "page_url", "referrer", "search_term"), "https://a.b/mine")
    deployment = Deployment(tmp_path / "data", only=OF_SOURCES)
    deployment.deliver("a", [line(DAY, "ann", 0, "page_view", **texts, properties={"whose": "mine"})], source="web")
    deployment.run()
    [event] = deployment.records("events")
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
    later = shop.copied_to(tmp_path / "data")
    later.only = OF_SOURCES
    later.deliver("later", [line(DAY + timedelta(days=1), "bob", 0, "page_view")], source="web")
    later.run()
    rule = {"goals": [{"name": "left", "where": "event_name = 'logout'"}]}
    assert [warning.problem for warning in found(later, rule).warnings] == [
        warning.problem for warning in found(shop, rule).warnings
    ]


@pytest.mark.long
def test_deployment_without_events_has_no_warning(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    deployment.run(until=DAY)
    assert warnings_of(deployment, {"goals": [{"name": "bought", "where": MISSPELLED}]}) == {}


def test_unreadable_warehouse_is_an_error_in_one_sentence(shop: Deployment, tmp_path: Path) -> None:
    deployment = shop.copied_to(tmp_path / "data")
    deployment.folder.warehouse.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="cannot be opened"):
        warnings_of(deployment)


def test_too_little_memory_is_no_reason_to_run_again(shop: Deployment) -> None:
    with duckdb.connect(str(shop.folder.warehouse), read_only=True) as connection:
        connection.execute("set memory_limit = '1KB'")
        with pytest.raises(StoreError, match=r"settings \(Out of Memory .*\); give the process more memory"):
            settings_warnings.find(connection, load_settings(shop.folder.path), {"web": True})


def test_sample_has_no_warning(sample_deployment: Deployment) -> None:
    findings = settings_warnings.find_for_folder(sample_deployment.folder, load_settings(sample_deployment.folder.path))
    assert findings == settings_warnings.Findings()


def test_list_of_existing_values_is_short() -> None:
    names = ["newsletter_subscription_opened", "product_detail_viewed", "view", "click"]
    assert similar.listed(names) == "'newsletter_subscription_opened', 'product_detail_viewed' and 2 more"
    assert similar.listed(["x" * 45, "y" * 45]) == f"'{'x' * 45}' and 1 more"
    assert similar.listed(list("abcdefgh")) == "'a', 'b', 'c', 'd', 'e', 'f' and 2 more"
    assert similar.listed(["view"]) == "'view'"

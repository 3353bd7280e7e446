"""Tests the settings: defaults, merging with the packaged settings, and definitions."""

import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pydantic import ValidationError

from session_pipeline.settings import (
    Settings,
    SourceSettings,
    funnels,
    load_settings,
    parse_settings,
    privacy,
    settings_template,
)
from session_pipeline.settings.section import Section
from session_pipeline_tests.deployment import to_toml
from session_pipeline_tests.settings_texts import STEPS

# Defaults


def test_empty_file_equals_the_template() -> None:
    assert parse_settings("") == parse_settings(settings_template())


def test_template_contains_every_key_with_a_default() -> None:
    """Sections have no defaults of their own, so that the template is the only list of defaults."""

    def missing(section: type[Section], given: dict[str, Any], path: str) -> Iterator[str]:
        for name, field in section.model_fields.items():
            if name not in given:
                yield path + name
            elif isinstance(field.annotation, type) and issubclass(field.annotation, Section):
                yield from missing(field.annotation, given[name], f"{path}{name}.")

    assert list(missing(Settings, tomllib.loads(settings_template()), "")) == []


def test_template_names_the_limits_that_are_checked() -> None:
    comments = " ".join(settings_template().replace("\n#", " ").split())
    keep_days = (
        f"raw at least {privacy.LEAST_RAW_DAYS}, events at least raw + {privacy.SESSION_DAYS}, "
        f"aggregates at least raw + {privacy.LONGEST_READ_DAYS} and events"
    )
    assert keep_days in comments
    assert f"or by up to {funnels.MOST_BREAKDOWNS}:" in comments


def test_packaged_outcomes_are_ordered_by_priority() -> None:
    outcomes = parse_settings("").outcomes
    assert [rule.name for rule in outcomes] == ["purchase", "contact", "lead", "abandoned_cart"]
    assert [rule.is_conversion for rule in outcomes] == [True, True, True, False]


@pytest.mark.parametrize(
    ("event_name", "page_path", "expected"),
    [
        ("purchase", "/checkout/thanks", "purchase"),
        ("contact", "/contact", "contact"),
        ("page_view", "/contact/thanks", "contact"),
        ("page_view", "/en/contact/thank-you/", "contact"),
        ("page_view", "/contact", None),
        ("page_view", "/contact/thanks/again", None),
        ("click", "/contact/thanks", None),
        ("sign_up", None, "lead"),
        ("begin_checkout", "/cart", "abandoned_cart"),
        ("page_view", None, None),
    ],
)
def test_packaged_outcomes_match_common_events(event_name: str, page_path: str | None, expected: str | None) -> None:
    event = "(select $1 as event_name, $2::varchar as page_path)"
    with duckdb.connect() as connection:
        holding = [
            rule.name
            for rule in parse_settings("").outcomes
            if connection.execute(f"select {rule.where} from {event}", [event_name, page_path]).fetchall() == [(True,)]
        ]
    assert holding == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("event_name", "page_path", "status_code", "expected"),
    [
        ("click", "/", None, ["click"]),
        ("page_view", "/search", None, ["search_results"]),
        ("page_view", "/de/suche/lampe", None, ["search_results"]),
        ("page_view", "/research", 399, []),
        ("contact", "/contact", None, ["submit"]),
        ("submit", "/contact", 500, ["submit", "error"]),
        ("page_view", "/missing", 404, ["error"]),
        ("error", None, None, ["error"]),
        ("payment_error", None, None, ["error"]),
        ("$exception", None, None, ["error"]),
        ("Payment Error", None, None, ["error"]),
        ("ERROR", None, None, ["error"]),
        ("terror", None, 200, []),
        ("Errors", None, None, []),
        ("PaymentError", None, None, []),
    ],
)
def test_packaged_kinds_of_friction_match_common_events(
    event_name: str, page_path: str | None, status_code: int | None, expected: list[str]
) -> None:
    event = "(select $1 as event_name, $2::varchar as page_path, $3::bigint as status_code, null as search_term)"
    friction = parse_settings("").friction
    with duckdb.connect() as connection:
        holding = [
            kind
            for kind in ("click", "search_results", "submit", "error")
            if connection.execute(
                f"select {getattr(friction, kind)} from {event}", [event_name, page_path, status_code]
            ).fetchall()
            == [(True,)]
        ]
    assert holding == expected


@pytest.mark.parametrize(
    ("path", "action"),
    [
        ("/", "/"),
        ("/Product/42/", "/Product/:id"),
        ("/orders/1/2/edit", "/orders/:id/:id/edit"),
        ("/blog/2024/05/31/news", "/blog/:date/news"),
        ("/blog/2024-05-31", "/blog/:date"),
        ("/user/550e8400-e29b-41d4-a716-446655440000/edit", "/user/:id/edit"),
        ("/file/d41d8cd98f00b204e9800998ecf8427e", "/file/:id"),
        ("/product/blue-lamp-1042.html", "/product/blue-lamp-:id"),
        ("/help/covid-19", "/help/covid-19"),
        ("/3d-printers/v2", "/3d-printers/v2"),
    ],
)
def test_packaged_rules_fold_ids_out_of_paths(path: str, action: str) -> None:
    with duckdb.connect() as connection:
        for rule in parse_settings("").actions.fold:
            values = [path, rule.pattern, rule.replacement]
            ((path,),) = connection.execute("select regexp_replace($1, $2, $3, 'g')", values).fetchall()
    assert (path or "/") == action


# Merging with the packaged settings


def test_section_keeps_packaged_values_of_missing_keys() -> None:
    settings = parse_settings('timezone = "Europe/Berlin"\n[sessions]\ninactivity_minutes = 5')
    packaged = parse_settings("")
    assert settings.timezone == "Europe/Berlin"
    assert settings.sessions == packaged.sessions.model_copy(update={"inactivity_minutes": 5})
    assert settings.actions == packaged.actions


def test_lists_and_dimensions_replace_the_packaged_ones() -> None:
    settings = parse_settings(
        "goals = []\n[[outcomes]]\nname = 'any'\nwhere = 'true'\n[dimensions]\nplan = \"properties ->> 'plan'\""
    )
    assert [rule.name for rule in settings.outcomes] == ["any"]
    assert settings.goals == ()
    assert dict(settings.dimensions) == {"plan": "properties ->> 'plan'"}
    assert settings.funnels == parse_settings("").funnels


def test_source_without_an_entry_uses_the_defaults() -> None:
    settings = parse_settings(
        '[sources.web]\nsite = "shop"\nconstants = { event_name = "page_view", value = 9.5 }\n'
        'columns = { visitor_id = "anonymous_id" }'
    )
    assert settings.source("web").site == "shop"
    assert settings.source("web").clock_tolerance_minutes == 60
    assert dict(settings.source("web").constants) == {"event_name": "page_view", "value": "9.5"}
    assert settings.source("other") == SourceSettings()


def test_visitor_funnel_has_a_default_window_of_seven_days() -> None:
    by_grain = {
        grain: parse_settings(f'[[funnels]]\nname = "f"\ngrain = "{grain}"{STEPS}').funnels[0].window_seconds
        for grain in ("session", "visitor", "attempt")
    }
    assert by_grain == {"session": None, "visitor": 7 * 86_400, "attempt": 7 * 86_400}


def test_exclusion_defaults_to_first_and_last_step() -> None:
    exclusions = "exclusions = [{ where = 'is_bot' }, { where = 'is_bot', after_step = 2, before_step = 3 }]"
    funnel = parse_settings(f'[[funnels]]\nname = "f"{STEPS}{exclusions}').funnels[0]
    assert [(exclusion.after_step, exclusion.before_step) for exclusion in funnel.exclusions] == [(1, 3), (2, 3)]


def test_breakdown_may_be_a_dimension_of_the_settings() -> None:
    own = f'[[funnels]]\nname = "f"\nbreakdown = "plan"{STEPS}\n[dimensions]\nplan = "properties ->> \'plan\'"'
    assert parse_settings(own).funnels[0].breakdown == "plan"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        parse_settings("").sessions.max_hours = 3


# Files


def test_loads_the_file_of_a_data_folder(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("\ufeffstart_date = 2024-02-29\n", encoding="utf-8")
    assert load_settings(tmp_path).start_date == date(2024, 2, 29)


def test_definition_sets_when_sessions_end() -> None:
    matomo = parse_settings("sessions.definition = 'matomo'\nsessions.engaged_seconds = 5").sessions
    assert (matomo.at_border, matomo.split_at_midnight, matomo.split_on_new_campaign) == ("starts", True, True)
    assert (matomo.inactivity_minutes, matomo.max_hours, matomo.engaged_seconds) == (30, 24, 5)
    umami = parse_settings("sessions.definition = 'umami'\nsessions.separator = 'start'").sessions
    assert (umami.inactivity_minutes, umami.split_at_utc_hour, umami.separator) == (60, True, "")


def test_own_definition_changes_a_packaged_one() -> None:
    text = "definitions.also = ['mine', 'ga4']\ndefinitions.rules.mine = { like = 'matomo', midnight = false }"
    counted = parse_settings(text).definitions.counted
    assert list(counted) == ["mine", "ga4"]
    assert (counted["mine"].midnight, counted["mine"].campaign, counted["ga4"].midnight) == (False, "new", False)


def test_texts_that_tests_write_are_read_as_they_are() -> None:
    given = {"a": "\U0001f600 \x7f\x00 \"'\\\n", "\U0001f600 b": {"c": ["é", True, 1]}}
    assert tomllib.loads(to_toml(given)) == given

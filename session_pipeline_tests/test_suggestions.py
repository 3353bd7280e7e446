"""Tests which fields are suggested for the columns of events, with lines as common tools write them."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from time import thread_time
from typing import Any, Literal
from unicodedata import normalize

import duckdb
import pytest

from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.reference.column_groups import REQUIRED_COLUMNS
from session_pipeline.trial.field_names import plain_name
from session_pipeline.trial.field_values import FieldValues
from session_pipeline.trial.sampled_fields import fields_of
from session_pipeline.trial.suggestions import is_like_data, missing_columns, suggested_columns
from session_pipeline.trial.translated_names import TRANSLATED_NAMES
from session_pipeline_tests.ingesting import RULES, Ingest

pytestmark = pytest.mark.long  # further cases of what the usual tests cover

Form = Literal["NFC", "NFD"]
Suggest = Callable[..., Mapping[str, str]]
LINE_COUNT = 60
AGENT = "Mozilla/5.0 (X11; Linux x86_64) Chrome/120.0.0.0"
NAMES = ("Product Viewed", "Product Added", "Order Completed")


@pytest.fixture(scope="module")
def suggest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suggest]:
    """A function that returns the suggestions for some lines."""
    ingest = Ingest(tmp_path_factory.mktemp("ingest"))

    def suggested(
        line_of: Callable[[int], Mapping[str, Any]],
        rules: ReadingRules = RULES,
        name: str = "a.jsonl",
        count: int = LINE_COUNT,
    ) -> Mapping[str, str]:
        lines = [line_of(number) for number in range(count)]
        if name.endswith("csv"):
            text = io.StringIO()
            writer = csv.DictWriter(text, lines[0].keys())
            writer.writeheader()
            writer.writerows(lines)
            content = text.getvalue()
        else:
            content = "\n".join(map(json.dumps, lines)) + "\n"
        admitted = ingest.admit(ingest.deliver(content, name))
        with duckdb.connect() as connection:
            return suggested_columns(fields_of(admitted, rules, connection, ingest.scratch), rules, frozenset())

    yield suggested
    ingest.close()


def time(number: int) -> str:
    return f"2024-03-05T10:{number % 60:02}:00.000Z"


def segment(number: int) -> dict[str, Any]:
    return {
        "anonymous_id": f"a{number % 7}", "context_ip": "192.0.2.7", "context_library_name": "analytics.js",
        "context_page_path": "/lamp", "context_page_url": "https://shop.example/lamp", "context_user_agent": AGENT,
        "event": NAMES[number % 3].lower().replace(" ", "_"), "event_text": NAMES[number % 3], "id": f"ajs-{number}",
        "original_timestamp": time(number), "timestamp": time(number), "uuid_ts": time(number), "revenue": number * 1.5,
        "user_id": None if number % 2 else "u1",
    }  # fmt: skip


def segment_nested(number: int) -> dict[str, Any]:
    return {
        "anonymousId": f"a{number % 7}", "messageId": f"ajs-{number}", "type": "track", "event": NAMES[number % 3],
        "timestamp": time(number), "sentAt": time(number), "properties": {"revenue": number * 1.5, "name": "Lamp"},
        "context": {"page": {"url": "https://shop.example/lamp", "path": "/lamp", "title": "Lamp", "referrer": ""},
                    "library": {"name": "analytics.js"}, "userAgent": AGENT},
    }  # fmt: skip


def mixpanel(number: int) -> dict[str, Any]:
    return {
        "event": NAMES[number % 3], "distinct_id": f"d{number % 7}", "time": 1709632800 + number,
        "$insert_id": f"i{number}", "$current_url": "https://shop.example/", "$browser_version": 120, "$city": "Bonn",
        "mp_processing_time_ms": 1709632800000 + number, "$referrer": "$direct" if number % 3 else "https://e.org/",
    }  # fmt: skip


def analytics(number: int) -> dict[str, Any]:
    return {
        "event_date": "20240305", "event_timestamp": 1709632800000000 + number, "event_name": "page_view",
        "user_pseudo_id": f"123456.170963280{number % 7}", "ga_session_id": 1709632800, "platform": "WEB",
        "page_location": "https://shop.example/", "page_title": "Shop", "page_referrer": "https://e.org/",
    }  # fmt: skip


def plausible(number: int) -> dict[str, Any]:
    return {
        "timestamp": f"2024-03-05 10:{number:02}:00", "name": "pageview" if number % 5 else "Signup",
        "user_id": str(9000000000000000 + number % 7), "session_id": str(8000000000000000 + number % 9),
        "hostname": "shop.example", "pathname": "/lamp", "referrer": "https://e.org/", "country": "DE",
    }  # fmt: skip


def misleading(number: int) -> dict[str, Any]:
    return {
        "event": "page_view" if number % 2 else "click", "event_times": number, "when": time(number),
        "visitor": "same", "client_id": f"unique {number}", "cookie_id": f"c{number % 7}", "date": "20240305",
    }  # fmt: skip


EXPECTED: dict[str, tuple[Callable[[int], Mapping[str, Any]], Mapping[str, str]]] = {
    "segment": (
        segment,
        {"visitor_id": "anonymous_id", "event_time": "timestamp", "event_name": "event", "event_id": "id",
         "page_url": "context_page_url", "value": "revenue", "user_agent": "context_user_agent"},
    ),
    "segment_nested": (
        segment_nested,
        {"visitor_id": "anonymousId", "event_time": "timestamp", "event_name": "event", "event_id": "messageId",
         "page_url": "context.page.url", "page_title": "context.page.title", "value": "properties.revenue",
         "user_agent": "context.userAgent"},
    ),
    "mixpanel": (
        mixpanel,
        {"visitor_id": "distinct_id", "event_time": "time", "event_name": "event", "event_id": "$insert_id",
         "page_url": "$current_url"},
    ),
    "mixpanel_nested": (
        lambda number: {"event": NAMES[number % 3], "properties": mixpanel(number)},
        {"visitor_id": "properties.distinct_id", "event_time": "properties.time", "event_name": "event",
         "event_id": "properties.$insert_id", "page_url": "properties.$current_url"},
    ),
    "analytics": (
        analytics,
        {"visitor_id": "user_pseudo_id", "event_time": "event_timestamp", "client_session_id": "ga_session_id",
         "page_url": "page_location", "referrer": "page_referrer"},
    ),
    "plausible": (
        plausible,
        {"visitor_id": "user_id", "event_time": "timestamp", "event_name": "name", "client_session_id": "session_id",
         "page_url": "pathname"},
    ),
    "misleading": (misleading, {"visitor_id": "cookie_id", "event_time": "when", "event_name": "event"}),
}  # fmt: skip


@pytest.mark.parametrize("tool", EXPECTED)
def test_fields_of_common_tools_are_suggested(suggest: Suggest, tool: str) -> None:
    line_of, expected = EXPECTED[tool]
    assert suggest(line_of) == expected


@pytest.mark.parametrize("tool", ["segment", "mixpanel", "analytics", "plausible", "misleading"])
def test_csv_gives_the_same_suggestions(suggest: Suggest, tool: str) -> None:
    line_of, expected = EXPECTED[tool]
    found = suggest(line_of, name="a.csv")
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize("tool", EXPECTED)
def test_every_line_is_accepted_with_the_suggestions(tmp_path: Path, suggest: Suggest, tool: str) -> None:
    line_of, _ = EXPECTED[tool]
    rules = replace(RULES, columns=dict(suggest(line_of)))
    ingest = Ingest(tmp_path)
    taken = ingest.take_lines(*map(line_of, range(LINE_COUNT)), rules=rules)
    ingest.close()
    assert taken.quarantined == []
    assert 1 < len(set(taken.column("visitor_id"))) < LINE_COUNT
    assert suggest(line_of, rules) == {}


def test_time_is_suggested_only_if_its_values_are_times(suggest: Suggest) -> None:
    assert suggest(lambda number: {"event": "a", "timestamp": "soon", "time": number, "created_at": "20240305"}) == {
        "event_name": "event"
    }


@pytest.mark.parametrize("value", ["https://e.org/", "2024-03-05", 5, True, ["a"], {"a": 1}])
def test_other_values_are_not_event_names(suggest: Suggest, value: object) -> None:
    assert "event_name" not in suggest(lambda number: {"event": value, "type": value})


def test_field_missing_in_half_of_the_lines_is_not_suggested(suggest: Suggest) -> None:
    found = suggest(lambda number: {"type": "track", "event": "a" if number % 2 else None})
    assert found == {"event_name": "type"}


def test_wrong_setting_is_corrected(suggest: Suggest) -> None:
    rules = replace(RULES, columns={"event_time": "event", "visitor_id": "anonymous_id"})
    assert suggest(segment, rules)["event_time"] == "timestamp"
    assert "visitor_id" not in suggest(segment, rules)


@pytest.mark.parametrize("name", ["Event\nTime", "timestamp\x00", "timestamp\ud800", "event_time" + "_" * 100])
def test_field_that_cannot_be_named_in_the_settings_is_not_suggested(suggest: Suggest, name: str) -> None:
    assert suggest(lambda number: {"event": "a", name: time(number)}) == {"event_name": "event"}
    keys_and_values = {"b": [{"key": name}], "": [{"key": "event_time"}]}
    assert suggest(
        lambda number: {
            "event": "a",
            **{field: [{**each, "value": time(number)} for each in keys] for field, keys in keys_and_values.items()},
        }
    ) == {"event_name": "event"}


def test_constants_and_derived_visitors_need_no_field(suggest: Suggest) -> None:
    rules = replace(RULES, constants={"event_name": "a"}, visitor_address="context_ip")
    assert not {"event_name", "visitor_id"} & suggest(segment, rules).keys()


def test_few_lines_are_judged_by_field_names(suggest: Suggest) -> None:
    found = suggest(lambda number: {"uid": "ann", "ts": 1709632800, "action": "view"}, count=2)
    assert found == {"visitor_id": "uid", "event_time": "ts", "event_name": "action"}


def kaggle(number: int) -> dict[str, Any]:
    return {
        "event_time": "2019-10-01 00:00:00 UTC", "event_type": ("view", "cart")[number % 2], "product_id": 1003461,
        "category_id": 2053013555631882655, "price": 489.07, "user_id": 520088904 + number % 7,
        "user_session": f"s{number % 9}",
    }  # fmt: skip


def test_id_that_is_as_large_as_a_time_is_no_time(suggest: Suggest) -> None:
    rules = replace(RULES, earliest=datetime(2020, 1, 1))
    expected = {"visitor_id": "user_id", "event_name": "event_type", "client_session_id": "user_session"}
    assert suggest(kaggle, rules) == expected
    assert suggest(lambda number: {**kaggle(number), "event_time": "soon"}, rules) == expected
    assert suggest(lambda number: {"click_ts": 1709632800 + number}) == {"event_time": "click_ts"}


@pytest.mark.parametrize("name", ["referrer_name", "browser_name", "event_category", "stream"])
def test_name_that_is_only_similar_is_no_event_name(suggest: Suggest, name: str) -> None:
    assert suggest(lambda number: {name: ("a", "b")[number % 2]}) == {}


@pytest.mark.parametrize("values", [("1", "2"), ("false", "true"), ("false", "false")])
def test_codes_and_flags_are_no_event_names(suggest: Suggest, values: tuple[str, str]) -> None:
    assert suggest(lambda number: {"event_type": values[number % 2]}) == {}


@pytest.mark.parametrize("name", ["#{}", "2026/{}", "order {}"])
def test_numbers_of_orders_are_no_event_names(suggest: Suggest, name: str) -> None:
    assert suggest(lambda number: {"name": name.format(number // 2)}) == {}
    assert suggest(lambda number: {"name": name.format(number)}, count=12) == {}


def test_titles_that_are_all_distinct_are_no_event_names(suggest: Suggest) -> None:
    assert suggest(lambda number: {"name": "Pot " + "x" * number}, count=15) == {}
    assert suggest(lambda number: {"name": "Pot " + "x" * number}, count=5) == {"event_name": "name"}  # too few lines


def test_misspelled_names_are_found_and_similar_words_are_not(suggest: Suggest) -> None:
    assert suggest(lambda number: {"visitor_ids": f"v{number % 7}"}) == {"visitor_id": "visitor_ids"}
    for name in ("visit", "visit_id", "visitor_type"):
        assert suggest(lambda number, name=name: {name: f"v{number % 7}"}) == {}


def test_spaces_case_and_signs_of_names_do_not_matter(suggest: Suggest) -> None:
    def line(number: int) -> dict[str, Any]:
        return {
            "Distinct ID": f"d{number % 7}", "@timestamp": time(number), "Event Name": NAMES[number % 3],
            "Insert-ID": f"i{number}", "Page URL": "https://shop.example/", "Order Total": "12.50", "Currency": "EUR",
        }  # fmt: skip

    expected = {
        "visitor_id": "Distinct ID", "event_time": "@timestamp", "event_name": "Event Name", "event_id": "Insert-ID",
        "page_url": "Page URL", "value": "Order Total", "currency": "Currency",
    }  # fmt: skip
    assert suggest(line) == suggest(line, name="a.csv") == expected
    assert suggest(lambda number: {"event": {"eventType": NAMES[number % 3]}}) == {"event_name": "event.eventType"}


def test_cookie_is_a_visitor_but_the_header_of_cookies_is_not(suggest: Suggest) -> None:
    line = {"event": "a", "ts": time(0)}
    assert suggest(lambda number: {**line, "COOKIE": f"c{number % 7}=="})["visitor_id"] == "COOKIE"
    assert "visitor_id" not in suggest(lambda number: {**line, "cookie": f"id=c{number % 7}; lang=en"})


def test_time_of_an_event_comes_before_that_of_its_envelope(suggest: Suggest) -> None:
    def enveloped(number: int) -> dict[str, Any]:
        event = {"visitor_id": f"v{number % 5}", "event_time": time(number), "event_name": "page_view"}
        return {"id": f"e{number}", "time": time(number + 1), "detail": event}

    columns = suggest(enveloped)
    assert {name: columns[name] for name in REQUIRED_COLUMNS} == {name: f"detail.{name}" for name in REQUIRED_COLUMNS}


def test_word_of_every_line_is_less_sure_than_a_name_within(suggest: Suggest) -> None:
    found = suggest(lambda number: {"type": "RECORD", "record": {"event": NAMES[number % 3]}})
    assert found == {"event_name": "record.event"}
    assert suggest(lambda number: {"type": "track", "n": number}) == {"event_name": "type"}


def test_session_stands_for_a_visitor_only_without_another_id(suggest: Suggest) -> None:
    line = {"event": "a", "ts": time(0), "url": "/"}
    found = suggest(lambda number: {**line, "session_id": f"s{number % 9}"})
    assert found["visitor_id"] == "session_id"
    found = suggest(lambda number: {**line, "session_id": f"s{number % 9}", "uid": f"u{number % 7}"})
    assert (found["visitor_id"], found["client_session_id"]) == ("uid", "session_id")
    found = suggest(lambda number: {**line, "sessionId": f"s{number % 9}", "Device-Id": f"u{number % 7}"})
    assert (found["visitor_id"], found["client_session_id"]) == ("Device-Id", "sessionId")


def test_customer_is_a_visitor_before_a_session(suggest: Suggest) -> None:
    found = suggest(
        lambda number: {"event": "a", "ts": time(0), "session": f"s{number % 9}", "customer": f"K{number % 7}"}
    )
    assert found["visitor_id"] == "customer"


def test_pages_and_sessions_of_a_table_of_page_views(suggest: Suggest) -> None:
    """As in the table website_pageviews of Maven Analytics."""
    found = suggest(
        lambda number: {
            "website_pageview_id": str(number),
            "created_at": time(number),
            "website_session_id": str(number // 2),
            "pageview_url": "/home",
        }
    )
    assert found == {"visitor_id": "website_session_id", "event_time": "created_at", "page_url": "pageview_url"}


def test_field_of_a_filled_column_is_not_suggested_for_another() -> None:
    values = {"userId": ["u"] * 3, "event_time": [time(0)] * 3, "event_name": ["page_view"] * 3}
    fields = [FieldValues(name, each, 3, 3) for name, each in values.items()]
    rules = replace(RULES, columns={"visitor_id": "userId"})
    assert suggested_columns(fields, rules, frozenset(("visitor_id", "event_time", "event_name"))) == {}


def test_first_line_with_values_is_no_header() -> None:
    assert is_like_data(["v0", "2026-11-20T18:10:00Z", "page_view"])
    assert is_like_data(["v0", "https://shop.example/"])
    assert is_like_data(["v0", "155.55"])
    assert not is_like_data(["Besucher", "Zeitpunkt", "page/url", "value 2", "2nd"])


def test_missing_columns_name_the_fields_that_could_be_meant() -> None:
    values = {"cookie": [f"c{number % 9}" for number in range(30)], "what": ["view", "buy"] * 15, "where": ["/a"] * 30}
    fields = [FieldValues(name, each, 30, 0) for name, each in values.items()]
    assert missing_columns(fields, RULES, frozenset(), {"columns": {"event_time": "when"}}) == {
        "visitor_id": ["cookie", "what"],
        "event_name": ["what", "cookie"],
    }
    keys = {"columns": {"event_time": "when", "event_name": "what"}, "visitor_address": "ip"}
    assert missing_columns(fields, RULES, frozenset(), keys) == {}
    assert missing_columns(fields, RULES, frozenset(("visitor_id", "event_time", "event_name")), {}) == {}


def test_likely_visitors_are_named_first() -> None:
    values = {
        "accession": [f"a{number}" for number in range(9)],
        "code": [str(number % 4) for number in range(9)],
        "ip": [f"192.0.2.{number}" for number in range(9)],
        "zip": [f"9{number % 3}" for number in range(9)],
        "web_session": [f"s{number % 3}" for number in range(9)],
        "Email (Billing)": [f"{number % 4}@mail.example" for number in range(9)],
    }
    fields = [FieldValues(name, each, 9, 0) for name, each in values.items()]
    missing = missing_columns(fields, RULES, frozenset(), {})
    assert missing["visitor_id"] == ["Email (Billing)", "web_session", "ip", "code", "zip", "accession"]


@pytest.mark.timeout(60)
def test_long_number_is_recognized_within_a_second() -> None:
    started = thread_time()
    assert not is_like_data(["1" * 200_000 + "x"])
    assert thread_time() - started < 1


TRANSLATED = {
    "de": ("Besucher-ID", "Ereignis", "Seite", "Seitentitel", "Umsatz", "Währung", "Zeitstempel"),
    "fr": ("Visiteur", "Événement", "URL de la page", "Titre de la page", "Montant", "Devise", "Date et heure"),
    "es": ("ID de usuario", "Evento", "Página", "Título de la página", "Importe", "Moneda", "Fecha y hora"),
    "it": ("Utente", "Evento", "Pagina", "Titolo della pagina", "Importo", "Valuta", "Data e ora"),
    "pt": ("Visitante", "Evento", "Página", "Título da página", "Valor total", "Moeda", "Data e hora"),
    "nl": ("Bezoekers-ID", "Gebeurtenis", "Pagina", "Paginatitel", "Bedrag", "Valuta", "Tijdstip"),
}


@pytest.mark.parametrize("language", TRANSLATED)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_usual_names_of_other_languages_are_found(suggest: Suggest, language: str, form: Form) -> None:
    columns = ("visitor_id", "event_name", "page_url", "page_title", "value", "currency", "event_time")
    names = [normalize(form, name) for name in TRANSLATED[language]]

    def line(number: int) -> dict[str, Any]:
        values = (f"b{number % 7}", NAMES[number % 3], "/lamp", "Lamp", "12.50", "EUR", time(number))
        return dict(zip(names, values, strict=True))

    assert suggest(line, name="a.csv") == dict(zip(columns, names, strict=True))


def test_english_name_is_surer_than_one_of_another_language(suggest: Suggest) -> None:
    found = suggest(lambda number: {"Kunde": f"k{number % 3}", "Daten": {"uid": f"u{number % 7}"}})
    assert found == {"visitor_id": "Daten.uid"}


@pytest.mark.parametrize(
    "line",
    [
        {"Besucher": "7", "Seite": "2", "Nutzer": "5", "Seitenaufrufe": "8"},  # counts of a report
        {"Client": "web", "Titre": "Dr.", "Valor": "5", "Valuta": "20.11.2026"},
        {"Bestellung": {"Kunde": "K1", "Betrag": "12.50"}},
        {"data": "1732100000", "Ereignis": "7", "Evento": "2026-11-20"},
    ],
)
def test_words_of_several_meanings_are_no_names(suggest: Suggest, line: Mapping[str, Any]) -> None:
    assert suggest(lambda number: line if number % 2 else {**line, "n": number}) == {}


def test_ellipsis_in_a_name_leads_into_no_object(suggest: Suggest) -> None:
    assert suggest(lambda number: {"Search\u2026url": "/lamp", "n": number}) == {}


def test_translated_names_are_written_as_names_are_compared() -> None:
    names = [name for names in TRANSLATED_NAMES.values() for name in names]
    assert [name for name in names if plain_name(name) != name] == []
    assert all(len(set(names)) == len(names) for names in TRANSLATED_NAMES.values())

"""Tests the sentences about the fields of a file that no suggested key says."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from session_pipeline.trial.result import NO_SOURCE
from session_pipeline.trial.suggested_keys import ONLY_COUNTS, Suggested
from session_pipeline.trial.suggested_remarks import SECTIONS_OF_EXPORTS
from session_pipeline.trial.try_file import try_file
from session_pipeline_tests.documents import ROOT
from session_pipeline_tests.ingesting import RULES
from session_pipeline_tests.test_suggested_requests import AT, of_log
from session_pipeline_tests.test_suggestions import AGENT

LOG_LINE = f'192.0.2.7 - - [04/May/2026:10:00:00 +0000] "GET /p HTTP/1.1" 200 512 "-" "{AGENT}"'


@pytest.mark.parametrize(
    ("line", "event"),
    [
        ({"url": "/p"}, "page_view"),
        ({"page_url": "/p"}, "page_view"),
        ({"title": "Lamp"}, "page_view"),
        ({"revenue": "5"}, "purchase"),
        ({"Summe": "5"}, "purchase"),
    ],
)
def test_lines_without_a_name_can_be_one_event(line: Mapping[str, Any], event: str) -> None:
    found = of_log({"visitor_id": "v", "event_time": AT, **line})
    said = f'if every line is a {event}, set constants = {{ event_name = "{event}" }}'
    assert (found.remarks, list(found.missing)) == ([said], ["event_name"])


def test_name_for_all_lines_is_suggested_if_only_names_are_missing() -> None:
    said = 'if every line is the same kind of event, name it, as in constants = { event_name = "purchase" }'
    line = {"visitor_id": "v", "event_time": AT, "n": 1}
    assert of_log(line).remarks == [said]
    assert of_log({**line, "event_name": "sign_up"}).remarks == []
    assert of_log({**line, "event_time": None}).remarks == []  # not likely a file of events


def test_session_that_stands_for_the_visitor_is_named() -> None:
    said = "no field has ids of visitors, so session_id is used: each session is a visitor of its own"
    assert of_log({"session_id": "s", "event_time": AT, "event_name": "page_view"}).remarks == [said]


@pytest.mark.parametrize(("name", "how"), [("log", ", as `jq -r .log` does"), ("@message", "")])
def test_field_with_lines_of_a_log_is_named(name: str, how: str) -> None:
    found = of_log({"time": AT, "stream": "stdout", name: f"{LOG_LINE}\n"})
    assert found == Suggested(remarks=[f"{name} has lines of an access log: write them into a file of their own{how}"])
    assert of_log({"time": AT, "stream": "stdout", name: "Starting up"}).remarks == []


def test_settings_in_the_documentation_are_named() -> None:
    said = 'docs/exports.md has settings for this export: copy the section "Kaggle eCommerce"'
    kaggle = {"event_time": AT, "event_type": "view", "product_id": "7", "user_id": "5", "user_session": "a"}
    assert of_log(kaggle).remarks == [said]
    order = {"Name": "#100", "Email": "ann@example.org", "Financial Status": "paid", "Created at": AT}
    said = said.replace("Kaggle eCommerce", "Shopify orders as CSV")
    assert of_log({**order, "Lineitem name": "Pot", "Total": "5.00"}) == Suggested(remarks=[said])
    track = {"ANONYMOUS_ID": "a", "CONTEXT_LIBRARY_NAME": "js", "ID": "1", "ORIGINAL_TIMESTAMP": AT, "RECEIVED_AT": AT}
    said = said.replace("Shopify orders as CSV", "Segment warehouse tables")
    assert of_log({**track, "TIMESTAMP": AT, "EVENT": "sign_up"}).remarks == [said]
    assert not {
        section
        for section in SECTIONS_OF_EXPORTS
        if f"\n## {section}\n" not in (ROOT / "docs" / "exports.md").read_text()
    }


def test_events_in_numbered_columns_are_named() -> None:
    """Matomo writes the actions of a visit like this in CSV, and with flat=1."""
    line = {"visitorId": "v", "actionDetails_0_timestamp": AT, "actionDetails_0_url": "/p", "actionDetails_1_url": "/q"}
    said = (
        "actionDetails_0_, actionDetails_1_ and so on are lists in numbered columns, which are not read: export them as"
        " JSON, in Matomo with format=JSON and without flat=1, with the lists as they are, or with a row for each event"
    )
    assert of_log(line) == Suggested(remarks=[said])
    assert of_log({**line, "actionDetails_0_timestamp": "soon"}) == Suggested(remarks=[said])
    assert of_log({**line, "event_time": AT, "event_name": "page_view"}).remarks != [said]
    other = {"visitorId": "v", "hits_0_timestamp": AT, "hits_0_url": "/p", "hits_1_url": "/q"}
    [remark] = of_log(other).remarks
    assert "hits_0_" in remark
    assert "Matomo" not in remark


def test_names_of_some_events_are_named() -> None:
    line = {"visitor_id": "v", "event_time": AT, "type": "custom_event"}
    lines = [{**line, "type": "pageview", "event_name": ""}] * 3 + [{**line, "event_name": "Signed Up"}]
    said = 'event_name has the names of some events: write event_name = ["event_name", "type"] into columns to use them'
    assert (of_log(*lines).keys["columns"], of_log(*lines).remarks) == ({"event_name": "type"}, [said])
    assert of_log(line).remarks == of_log({**line, "name": "Signed Up"}, *[line] * 3).remarks == []


def test_page_views_and_pages_of_another_name_are_named() -> None:
    line = {"visitor_id": "v", "event_time": AT, "event_name": "Seitenaufruf"}
    lines = [line, line, {**line, "event_name": "Kauf"}]
    on_pages = [{**each, "Strona": f"https://shop.example/{number}"} for number, each in enumerate(lines)]
    page = 'Strona could be the page: write page_url = "Strona" into columns to use it'
    view = 'no event is a page_view: if Seitenaufruf is one, set event_names = { Seitenaufruf = "page_view" }'
    others = ", and name events such as add_to_cart and purchase there, too"
    assert of_log(*on_pages).remarks == [page, view + others]
    assert of_log(*lines).remarks == []
    assert of_log(*({**each, "Ziel": each["Strona"]} for each in on_pages)).remarks == []  # unknown which of them it is
    assert of_log(*on_pages, {**on_pages[0], "event_name": "page_view"}).remarks == [page]
    assert of_log(*on_pages, {**on_pages[0], "event_name": "pageview"}).remarks == [page]
    assert of_log(*({**each, "url": "/p"} for each in lines)).remarks == [view + others]
    assert of_log(*on_pages, {**on_pages[0], "event_name": "purchase"}).remarks == [page, view]
    assert of_log(*({**each, "url": "/p"} for each in lines[:2])).remarks == []  # could be a file of orders


@pytest.mark.parametrize("url", ["https://cdn.example/{}.PNG?v=1", "/{}.jpeg", "https://shop.example/"])
def test_images_and_a_url_that_is_always_the_same_are_not_the_page(url: str) -> None:
    line = {"visitor_id": "v", "event_time": AT}
    lines = [{**line, "event_name": name, "Ort": url.format(name)} for name in ("sehen", "kaufen")]
    assert of_log(*lines).remarks == []
    assert len(of_log(*({**each, "Strona": f"/{each['event_name']}"} for each in lines)).remarks) == 2


@pytest.mark.parametrize(
    ("rules", "count"), [({"columns": {"page_url": ()}}, 0), ({"constants": {"page_url": "/"}}, 1)]
)
def test_page_that_the_settings_leave_empty_or_have_as_a_constant_is_not_asked_for(
    rules: Mapping[str, Any], count: int
) -> None:
    line = {"visitor_id": "v", "event_time": AT}
    lines = [{**line, "event_name": name, "Strona": f"/{name}"} for name in ("sehen", "kaufen")]
    remarks = of_log(*lines, rules=replace(RULES, **rules)).remarks
    assert len(remarks) == count
    assert all(each.startswith("no event is a page_view") for each in remarks)


def test_advice_on_page_views_keeps_other_names_of_events() -> None:
    line = {"visitor_id": "v", "event_time": AT, "url": "/p"}
    lines = [{**line, "event_name": name} for name in ("Besuch", "Besuch", "addtocart")]
    names = 'event_names = { addtocart = "add_to_cart", Besuch = "page_view" }'
    said = f"no event is a page_view: if Besuch is one, set {names}"
    assert of_log(*lines).remarks == [said]
    assert of_log(*lines, rules=replace(RULES, event_names={"addtocart": "add_to_cart"})).remarks == [said]


def test_page_views_can_be_named_in_any_of_the_fields_of_event_names() -> None:
    def remarks(*lines: Mapping[str, Any], names: tuple[str, ...]) -> list[str]:
        rules = replace(RULES, columns={"event_name": names}, event_names={"seen": "page_view"})
        return [*of_log(*lines, rules=rules, filled=frozenset(["event_name"])).remarks]

    line = {"visitor_id": "v", "event_time": AT, "url": "/p", "type": "custom"}
    lines = [{**line, "event_name": name} for name in ("Signed Up", "Logged In")]
    seen = {**line, "event_name": "", "type": "seen"}
    assert remarks(*lines, seen, names=("event_name", "type")) == []
    for names in (("event_name", "type"), ("name_of_event", "event_name")):
        [said] = remarks(*lines, names=names)
        assert said.startswith("no event is a page_view: if Logged In is one")


def test_field_that_is_always_the_same_is_the_last_that_could_have_event_names() -> None:
    lines = [{"visitor_id": f"v{number}", "event_time": AT, "land": "DE", "Zdarzenie": name, "Rodzaj": name + "en"}
             for number, name in enumerate(["sehen", "kaufen"])]  # fmt: skip
    assert of_log(*lines).missing["event_name"] == ["Rodzaj", "Zdarzenie", "land"]


@pytest.mark.parametrize(
    "row",
    [
        {
            "dateHourMinute": "202605041005",
            "pagePath": "/",
            "eventName": "page_view",
            "eventCount": "12",
            "totalUsers": "9",
        },
        {"Pathname": "/", "Views": "120", "Uniques": "90", "Date": "2026-05-04 00:00:00"},
        {"Seitenpfad": "/", "Aufrufe": "120", "Sitzungen": "90", "Schlüsselereignisse": "3"},
        {"Chemin de la page": "/", "Vues": "120", "Nombre total d'utilisateurs": "90"},
        {"Ruta de la página": "/", "Vistas": "120", "Recuento de eventos": "90"},
        {"Percorso pagina": "/", "Visualizzazioni": "120", "Utenti attivi": "90"},
        {"Caminho da página": "/", "Visualizações": "120", "Sessões": "90"},
        {"Paginapad": "/", "Weergaven": "120", "Unieke bezoekers": "90"},
    ],
    ids=lambda row: next(iter(row)),
)
def test_report_of_counts_has_no_events(row: Mapping[str, str]) -> None:
    assert of_log(row) == Suggested(remarks=[ONLY_COUNTS])
    assert of_log({**row, "visitor_id": "v"}).remarks != [ONLY_COUNTS]


@pytest.mark.parametrize("text", ["NA", "nan", "None", "undefined"])
def test_texts_that_name_no_visitor_are_named(text: str) -> None:
    line = {"event_time": AT, "event_name": "page_view"}
    is_one = f"has '{text}' for visitors who are not known, who would count as one person: set null_values"
    for field in ("visitor_id", "deviceId"):
        found = of_log({**line, field: "v"}, {**line, field: text})
        fix = f'["{text}"] to set such lines aside, or name another field for visitor_id'
        assert (found.remarks, "null_values" in found.keys) == ([f"{field} {is_one} = {fix}"], False)
    found = of_log({**line, "visitor_id": "v", "userId": text}, rules=replace(RULES, null_values=("-",)))
    assert found.remarks == [f'userId {is_one} = ["-", "{text}"], so that such lines have no user_id']
    named = replace(RULES, null_values=(text,))
    assert of_log({**line, "visitor_id": "v"}, {**line, "visitor_id": text}, rules=named).remarks == []


def test_sentences_about_several_texts_have_the_same_null_values() -> None:
    line = {"event_time": AT, "event_name": "page_view", "visitor_id": "v", "userId": "u"}
    lines = (line, {**line, "visitor_id": "NA", "referrer": r"\N"}, {**line, "userId": "undefined"})
    of_visitor, of_user = of_log(*lines).remarks
    null_values = r'null_values = ["\\N", "NA", "undefined"]'
    assert f"set {null_values} to set such lines aside" in of_visitor
    assert f"set {null_values}, so that such lines have no user_id" in of_user


@pytest.mark.parametrize(
    ("ids", "problem"),
    [
        (("1001.0", "1002.0"), "1001.0 is another visitor than 1001"),
        ((1001.0, 1002.0), "1001.0 is another visitor than 1001"),
        (("1001", "1.23E+18"), "1.23E+18 can have lost digits, so that several visitors count as one"),
        ((1.23e18,), "1.23e+18 can have lost digits, so that several visitors count as one"),
    ],
)
def test_ids_that_are_floating_point_numbers_are_named(ids: tuple[object, ...], problem: str) -> None:
    line = {"visitor_id": "v", "event_time": AT, "event_name": "page_view"}
    said = f"{{}} has ids as floating-point numbers: {problem}; export them as texts"
    assert of_log(*({**line, "visitor_id": each} for each in ids)).remarks == [said.format("visitor_id")]
    assert of_log(*({**line, "user_id": each} for each in ids)).remarks == [said.format("user_id")]


@pytest.mark.parametrize("ids", [("1001", 1002), ("1234567890.1698765432",), ("5e1", "abc"), ("GA1.0",)])
def test_other_ids_are_no_floating_point_numbers(ids: tuple[object, ...]) -> None:
    line = {"event_time": AT, "event_name": "page_view"}
    assert of_log(*({**line, "visitor_id": each} for each in ids)).remarks == []


def test_ids_of_a_parquet_column_of_doubles_are_named(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    at = datetime(2026, 5, 4, 10, tzinfo=UTC)
    pq.write_table(pa.table({"visitor_id": [1001.0], "event_time": [at], "event_name": ["page_view"]}), file)
    [remark] = try_file(file, folder=None, source=NO_SOURCE, has_sessions=False).remarks
    assert remark.startswith("visitor_id has ids as floating-point numbers: 1001.0 is another visitor than 1001;")

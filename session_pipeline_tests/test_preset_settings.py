"""Tests how presets are found, and how a source's own keys and those of its preset are combined."""

import warnings
from pathlib import Path

import pytest

from session_pipeline.errors import SettingsFileError
from session_pipeline.settings import SourceSettings, packaged_names, packaged_preset, parse_settings

OWN = """
about = "Our shop"
format = "csv"
columns = { event_time = "time", page_url = ["url", "page"] }
constants = { currency = "EUR", event_name = "click" }
expressions = { page_title = "line ->> 't'" }
event_names = { a = "b", c = "d" }
"""


def source(text: str, folder: Path, preset: str = OWN) -> SourceSettings:
    (folder / "presets").mkdir(exist_ok=True)
    (folder / "presets" / "shop.toml").write_text(preset)
    return parse_settings(f"[sources.web]\npreset = 'shop'\n{text}", folder=folder).source("web")


def errors(text: str, folder: Path | None = None) -> dict[str, str]:
    with pytest.raises(SettingsFileError) as error:
        parse_settings(text, folder=folder)
    return {each.key: f"{each.problem}; {each.hint}" for each in error.value.errors}


@pytest.mark.parametrize("name", packaged_names())
def test_packaged_preset_is_valid(name: str) -> None:
    assert not packaged_preset(name).about.endswith(".")
    parse_settings(f"[sources.web]\npreset = '{name}'")


# Of Segment's and others' specifications of e-commerce events; tools that send such names mean the same by them.
COMMON_NAMES = (
    "Order Completed", "Order Placed", "Purchase Completed", "Purchase", "Product Added", "Product Added to Cart",
    "Added to Cart", "Add to Cart", "Product Removed", "Cart Viewed", "Product Viewed", "Product List Viewed",
    "Products Searched", "Search", "Checkout Started", "Payment Info Entered", "Contact", "Contact Form Submitted",
    "Signed Up", "Sign Up", "Signed In",
)  # fmt: skip


def test_presets_agree_on_the_names_of_events() -> None:
    names = {name: packaged_preset(name).event_names for name in packaged_names()}
    found: dict[str, set[str]] = {}
    for renamed in names.values():
        for name, ours in renamed.items():
            found.setdefault(name, set()).add(ours)
    assert {name: ours for name, ours in found.items() if len(ours) > 1} == {}
    for preset in ("segment", "rudderstack", "posthog", "mixpanel", "amplitude"):
        assert set(COMMON_NAMES) <= names[preset].keys(), preset


def test_source_has_the_keys_of_its_preset(tmp_path: Path) -> None:
    found = source("", tmp_path)
    assert found.format == "csv"
    assert found.columns == {"event_time": "time", "page_url": ("url", "page")}


@pytest.mark.parametrize(
    ("own", "dropped"),
    [
        ("", ("url", "note")),
        ("drop_fields = ['ip', 'url']", ("url", "note", "ip")),
        ("drop_fields = []", ()),
    ],
)
def test_fields_to_drop_are_added_to_those_of_the_preset(own: str, dropped: tuple[str, ...], tmp_path: Path) -> None:
    preset = OWN + 'drop_fields = ["url", "note"]'
    assert source(own, tmp_path, preset).drop_fields == dropped


def test_fields_to_drop_that_are_no_list_are_an_error(tmp_path: Path) -> None:
    text = "[sources.web]\npreset = 'woocommerce'\ndrop_fields = 'ip'"
    assert list(errors(text, tmp_path)) == ["sources.web.drop_fields"]


def test_own_keys_win(tmp_path: Path) -> None:
    found = source(
        "format = 'jsonl'\ncolumns = { page_title = 'x' }\nexpressions = { event_time = \"line ->> 'y'\" }\n"
        "constants = { currency = 'USD' }\nevent_names = { a = 'z' }\n",
        tmp_path,
    )
    assert found.format == "jsonl"
    assert found.columns == {"page_url": ("url", "page"), "page_title": "x"}
    assert found.expressions == {"event_time": "line ->> 'y'"}
    assert found.constants == {"currency": "USD", "event_name": "click"}
    assert found.event_names == {"a": "z", "c": "d"}


def test_own_event_rules_and_names_come_before_those_of_the_preset(tmp_path: Path) -> None:
    preset = "[[events]]\nname = 'p'\nwhere = \"event_name = 'o''k'\"\n"
    found = source(
        "event_names = { \"o'k\" = 'n' }\n[[sources.web.events]]\nname = 'q'\nwhere = 'value is null'\n",
        tmp_path,
        preset,
    )
    assert [rule.name for rule in found.events] == ["q", "n", "p"]


def test_preset_can_be_a_path(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(OWN)
    assert parse_settings("[sources.web]\npreset = './x.toml'", folder=tmp_path).source("web").format == "csv"


def test_file_of_the_user_comes_before_a_packaged_preset(tmp_path: Path) -> None:
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "segment.toml").write_text("format = 'tsv'")
    assert parse_settings("[sources.web]\npreset = 'segment'", folder=tmp_path).source("web").format == "tsv"


def test_errors_name_file_and_key(tmp_path: Path) -> None:
    assert "did you mean segment?" in errors("[sources.web]\npreset = 'segmnt'")["sources.web.preset"]
    assert "no such file" in errors("[sources.web]\npreset = 'a/x.toml'", tmp_path)["sources.web.preset"]
    (tmp_path / "presets").mkdir()
    own = tmp_path / "presets" / "shop.toml"
    own.write_text("columnz = {}\ncolumns = { page_ur = 'x' }\nexpressions = { value = 'sum(1)' }")
    assert errors("[sources.web]\npreset = 'shop'", tmp_path) == {
        "presets/shop.toml: columnz": "is an unknown setting; did you mean columns?",
        "presets/shop.toml: columns.page_ur": "is not a column that a source can provide; did you mean page_url?",
        "presets/shop.toml: expressions.value": (
            "contains SUM(1), which cannot be used here; use columns, 'text', numbers, = <> < > in between like ilike,"
            " is null, and, or, not, case, ||, cast, line ->> 'key' and lower, upper, length, trim, coalesce,"
            " nullif, replace, split_part, regexp_matches, starts_with, ends_with, contains"
        ),
    }
    own.write_text("columns = {")
    [(key, message)] = errors("[sources.web]\npreset = 'shop'", tmp_path).items()
    assert key == "presets/shop.toml"
    assert message.startswith("is not valid TOML")


@pytest.mark.parametrize(
    ("line", "key", "said"),
    [
        ("columns = { page_url = ['a', 'a'] }", "sources.web.columns.page_url", "has the field 'a' twice"),
        ("columns = { page_url = 3 }", "sources.web.columns.page_url", "is 3; write a string in quotes, or a list"),
        ("expressions = { properties = \"'x'\" }", "sources.web.expressions.properties", "cannot be an expression"),
        (
            "expressions = { page_url = \"properties ->> 'a'\" }",
            "sources.web.expressions.page_url",
            "unknown column 'properties'; write line ->> 'key'",
        ),
        (
            "expressions = { page_url = \"'https://' || line ->> 'host'\" }",
            "sources.web.expressions.page_url",
            "put line ->> 'host' in parentheses: (line ->> 'host')",
        ),
        (
            "expressions = { page_url = \"page_title ->> 'host'\" }",
            "sources.web.expressions.page_url",
            "only line contains JSON: write line ->> 'field', or 'object.field' for a nested one",
        ),
        ("events = [{ name = 'a', where = 'event_name' }]", "sources.web.events[0].where", "is not a condition"),
        ("time_format = '%d.%m.%Y %H:%M:%S %z'", "sources.web.time_format", "which contains %z; use %d, %m, %Y"),
        ("time_format = '%H:%M'", "sources.web.time_format", "which is no date; write one year, month and day"),
        ("time_format = '%d.%m.%Y %I:%M'", "sources.web.time_format", "only one of %I and %p; write %I with %p"),
        ("time_format = '%d.%m.%Y %d'", "sources.web.time_format", "has a part twice; remove one of them"),
        ("time_format = '%d.%m.%Y %'", "sources.web.time_format", "which contains %; use"),
        ("preset = 3", "sources.web.preset", "is 3; write a string in quotes"),
    ],
)
def test_invalid_value_is_refused_with_its_key(line: str, key: str, said: str) -> None:
    assert said in errors(f"[sources.web]\n{line}")[key]


# How records, events and requests are found

OF_RECORDS = [
    ("header = 'a'", "header", "is 'a'; write a list: [ ... ]"),
    ("header = { a = 1 }", "header", "is a table; write a list: [ ... ]"),
    ("header = ['a', 3]", "header[1]", "is 3; write a string in quotes"),
    ("header = ['a', '']", "header[1]", "is '', which is not a valid label; write 1 to 100 characters on one line"),
    ("header = ['a', 'b', 'a']", "header", "has 2 fields named 'a'; give each its own name"),
    ("header = ['a', 'a?']", "header", "has 2 fields named 'a'; give each its own name"),
    ("header = ['a', '?']", "header", "has a mark without a name; write the name of the field before the ?"),
    ("header = ['a?', 'b']", "header",
     "has an optional name before others; move names that end in ? to the end of the list"),
    *((f"header = {header}", "header",
       "has ... at another place than after all names; write it as the last element of the list")
      for header in (["a", "...", "b"], ["..."])),
    (f"header = {[f'f{number}' for number in range(5_001)]}", "header", "has 5,001 names; write at most 5,000"),
    ("request = 'x'", "request", "is 'x'; write a table: [sources.web.request], and its keys below it"),
    ("request = { lines = 'r' }", "request.lines", "is not a part of a request; did you mean line?"),
    ("request = { url = 'u' }", "request.url",
     "is not a part of a request; write one of line, method, target, path, query, host, scheme"),
    ("request = { method = 'm', query = 'q' }", "request",
     "has no page; write line ('GET /a HTTP/1.1'), target ('/a?b=c') or path ('/a')"),
    ("request = { target = [], method = 'm' }", "request",
     "has no page; write line ('GET /a HTTP/1.1'), target ('/a?b=c') or path ('/a')"),
    ("request = { target = 3 }", "request.target", "is 3; write a string in quotes, or a list of strings"),
    ("request = { path = ['a', 'a'] }", "request.path", "has the field 'a' twice; remove one of them"),
    ("records_in = 3", "records_in", "is 3; write a string in quotes"),
    ("records_in = ['a']", "records_in", "is a list; write a string in quotes"),
    *((f"records_in = '{path}'", "records_in",
       f"is '{path}', which is not a valid path of keys; write a name, or names with dots, such as data.orders")
      for path in ("", "a..b", ".a", "a.")),
    ("events_in = 3", "events_in", "is 3; write a string in quotes"),
    ("events_in = ['a', 'b']", "events_in", "is a list; write a string in quotes"),
    ("events_in = ''", "events_in", "is '', which is not a valid label; write 1 to 100 characters on one line"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "key", "said"), OF_RECORDS, ids=[line[:40] for line, _, _ in OF_RECORDS])
def test_invalid_records_events_and_requests_are_refused(line: str, key: str, said: str, tmp_path: Path) -> None:
    assert errors(f"[sources.web]\n{line}") == {f"sources.web.{key}": said}
    (tmp_path / "own.toml").write_text(line)
    said = said.replace("[sources.web.", "[")
    assert errors("[sources.web]\npreset = 'own.toml'", tmp_path) == {f"own.toml: {key}": said}


@pytest.mark.parametrize("name", ["x\\u0000y", "own.toml/x", "folder"])
def test_name_that_can_be_no_file_is_not_a_preset(name: str, tmp_path: Path) -> None:
    (tmp_path / "presets" / "folder.toml").mkdir(parents=True)
    (tmp_path / "own.toml").write_text("")
    assert "which is not a preset" in errors(f'[sources.web]\npreset = "{name}"', tmp_path)["sources.web.preset"]


@pytest.mark.parametrize("ending", ["", ".toml"])
def test_name_that_is_too_long_for_a_file_is_refused(ending: str, tmp_path: Path) -> None:
    (tmp_path / "presets").mkdir()
    found = errors(f"[sources.web]\npreset = '{'x' * 300}{ending}'", tmp_path)
    assert "cannot be read (File name too long)" in found["sources.web.preset"]


def test_own_part_of_a_request_must_leave_the_preset_a_page() -> None:
    assert parse_settings("[sources.web]\npreset = 'caddy'\nrequest = { host = [] }").source("web").request["target"]
    found = errors("[sources.web]\npreset = 'caddy'\nrequest = { target = [] }")
    assert found["sources.web.request"].startswith("has no page; write line")


def test_settings_with_lists_of_fields_are_written_as_json_without_a_warning() -> None:
    given = {"columns": {"value": ["a", "b"]}, "request": {"path": ["c", "d"]}, "visitor_address": ["e", "f"]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = SourceSettings.model_validate(given).model_dump(mode="json")
    assert {key: written[key] for key in given} == given

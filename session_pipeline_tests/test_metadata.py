"""Tests that Dagster stores counts only, and no data of a single visitor, session or event."""

from datetime import date
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest

from session_pipeline.checks import CHECKS, Verdict
from session_pipeline.defs import metadata
from session_pipeline.defs.check_results import result_of, sentence_of
from session_pipeline_tests.built_tables import TABLES
from session_pipeline_tests.orchestration import Orchestrated, command_line, orchestrated, shop_lines

DAY = date(2024, 5, 6)
OF_EVENTS = {  # fields of lines, each with a word that occurs nowhere else
    "user_id": "someone@example.com",
    "client_session_id": "client-session-of-them",
    "page_url": "https://shop.example/secret-page?token=secret-query",
    "referrer": "https://elsewhere.example/?q=secret-referrer",
    "user_agent": "SecretBrowser/1.0",
    "element": "secret-element",
    "search_term": "secret-search",
    "plan": "secret-property",
    "seen_from": "198.51.100.23",  # removed by value before anything is written
}
HOSTILE = [
    "![x](https://evil.example/x.png)",
    "[click](javascript:alert(1))",
    "<img src=x onerror=alert(1)>",
    "a | b",
    "`code` <b>",
    "https://evil.example/",
    "line\nbreak",
    "\\| `",
]


def history(deployment: Orchestrated) -> bytes:
    """Return all bytes of Dagster's home: the event log and the output of runs."""
    files = [path for path in deployment.folder.dagster_home.rglob("*") if path.is_file()]
    return b"".join(path.read_bytes() for path in files)


@pytest.mark.long
def test_dagster_history_has_no_visitor_session_or_event_data(tmp_path: Path) -> None:
    settings = {
        "start_date": date(2024, 5, 1),
        "dimensions": {"plan": "properties ->> 'plan'"},
        "breakdowns": {"dimensions": ["landing_page"]},
        "goals": [{"name": "bought", "where": "event_name = 'purchase'"}],
        "funnels": [
            {
                "name": "checkout",
                "breakdown": "landing_page",
                "steps": [
                    {"name": "cart", "where": "event_name = 'add_to_cart'"},
                    {"name": "purchase", "where": "event_name = 'purchase'"},
                ],
            }
        ],
    }
    with orchestrated(tmp_path / "data", settings) as deployment:
        lines = [{**line, **OF_EVENTS, "visitor_id": f"secret-{line['visitor_id']}"} for line in shop_lines(DAY, 5)]
        deployment.deliver(str(DAY), [*lines, lines[0], "{secret-line"])
        late = [{**line, "event_id": str(uuid4()), "event_time": f"{DAY}T11:0{n}:00Z"} for n, line in enumerate(lines)]
        assert command_line(deployment).returncode == 0
        deployment.deliver("late", late[:5])
        ran = command_line(deployment)
        assert ran.returncode == 0, ran.stderr
        kept = history(deployment)
        built = {name for name, contract in TABLES.items() if name != "warehouse_info"}
        assert built == {name for name in built if deployment.instance.has_asset_key(dg.AssetKey(name))}
        ids = [str(value) for name in ("session_id", "event_id") for value in deployment.table("events")[name]]
    assert len(ids) > 10
    for secret in [*OF_EVENTS.values(), "secret-", "SecretBrowser", *ids]:
        assert secret.encode() not in kept, secret


@pytest.mark.parametrize(
    ("sentence", "description"),
    [
        ("event `a` is ![x](http://a.example/x.png)", r"event \`a\` is !\[x\](`http://`a.example/x.png)"),
        (
            "goals[0].where: <b> & [click](http://a.example/)",
            r"goals\[0\].where: &lt;b&gt; &amp; \[click\](`http://`a.example/)",
        ),
        ("test/2024-05-06.jsonl: 2 of 3 page_view", "test/2024-05-06.jsonl: 2 of 3 page_view"),
    ],
)
def test_check_quotes_names_without_markup_and_keeps_its_sentence(sentence: str, description: str) -> None:
    check = next(iter(CHECKS))
    result = result_of(check, Verdict(False, sentence, {"lines": 1}, ("a problem",)))
    assert result.description == description
    failed = dg.AssetCheckEvaluation(
        check_name=check.name,
        asset_key=dg.AssetKey(check.table),
        passed=False,
        metadata=result.metadata,
        description=result.description,
    )
    assert sentence_of(failed) == sentence


@pytest.mark.parametrize("value", HOSTILE)
def test_text_in_metadata_tables_is_code(value: str) -> None:
    cell = metadata._cell(value)
    assert cell.startswith("`")
    assert cell.endswith("`")
    assert "`" not in cell[1:-1], "nothing ends the code"
    assert "|" not in cell[1:-1].replace("\\|", ""), "nothing ends the cell"
    assert "\\\\" not in cell
    assert "\n" not in cell


def test_numbers_and_empty_values_in_metadata_tables() -> None:
    assert [metadata._cell(value) for value in (1, 2.5, None, "")] == ["1", "2.5", "", ""]


def test_long_text_in_metadata_tables_ends_with_an_ellipsis() -> None:
    assert metadata._cell("x" * 40) == f"`{'x' * 40}`"
    assert metadata._cell("x" * 41) == f"`{'x' * 39}…`"


@pytest.mark.parametrize("title", [*HOSTILE, f"Look here first, 1: {'a long sentence ' * 20}."])
def test_titles_of_charts_are_code_above_them(title: str) -> None:
    shown, image = metadata._images({title: "<svg/>"}).value.split("\n\n")
    assert shown == metadata._cell(title, 400)
    assert image == "![chart](data:image/svg+xml;base64,PHN2Zy8+)"
    assert "…" not in shown


def test_description_says_once_that_a_day_is_the_partition() -> None:
    described = metadata.description(TABLES["sessions"])
    assert "A partition is a day, `session_date`: Local date of the session's first event, in the" in described
    assert "; the partition" not in described

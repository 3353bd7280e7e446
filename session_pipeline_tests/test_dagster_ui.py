"""Tests what an operator sees in the Dagster UI, in Chromium: the graph, a day of a table, checks, runs."""

import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.defs import home
from session_pipeline.tables import TABLES
from session_pipeline_tests.orchestration import Orchestrated, command_line, orchestrated, shop_lines
from session_pipeline_tests.servers import answer, reserved_port, server, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.long]
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
PATIENCE = 120_000  # ms, for a busy machine
ROOT = Path(__file__).resolve().parents[1]
DAYS = [date(2024, 5, 6), date(2024, 5, 7)]
LOCATION = "session_pipeline.definitions"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orchestrated]:
    """Two days and an unreadable file, run by the command line before the UI starts, after a run that was killed."""
    with orchestrated(tmp_path_factory.mktemp("ui") / "data") as made:
        for day in DAYS:
            made.deliver(str(day), shop_lines(day))
        (made.folder.raw / "test" / "picture.png").write_bytes(b"\x89PNG")
        assert command_line(made, SESSION_PIPELINE_CRASH_AT="60").returncode == -signal.SIGKILL
        ran = command_line(made)
        assert ran.returncode == 0, ran.stderr
        yield made


@pytest.fixture(scope="module")
def ui(deployment: Orchestrated) -> Iterator[str]:
    """The address of the webserver."""
    log = deployment.folder.path / "webserver.log"
    environment = {**os.environ, **home.prepare(deployment.folder)}
    with reserved_port() as port:
        command = [sys.executable, "-m", "dagster_webserver", "-m", LOCATION, "-h", "127.0.0.1", "-p", str(port)]
        with server(command, environment, log, ROOT) as webserver:
            address = f"http://127.0.0.1:{port}"
            wait_for(lambda: answer(f"{address}/server_info"), webserver, log)
            yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    opened = browser.new_page(viewport={"width": 1600, "height": 1000})
    opened.set_default_timeout(PATIENCE)
    yield opened
    opened.close()


def sees(page: Any, *texts: str) -> None:
    for text in texts:
        # The UI keeps hidden copies of texts that it may shorten.
        found = page.get_by_text(text, exact=True).filter(visible=True).first
        sync_api.expect(found).to_be_visible(timeout=PATIENCE)


def test_graph_shows_the_data_flow(ui: str, page: Any) -> None:
    page.goto(f"{ui}/asset-groups")
    sees(page, "ingest", "sessions", "answers", "publish")
    page.goto(f"{ui}/assets/sessions?view=lineage")
    sees(page, "events", "action_labels", "sessions", "session_outcomes")


def test_partition_page_shows_its_metadata(ui: str, page: Any) -> None:
    page.goto(f"{ui}/assets/sessions?view=partitions&partition=2024-05-07")
    sees(page, "Materialized", "dagster/partition_row_count", "built_because", "new day", "rows_of_14_days")
    sees(page, "▁▁▁▁▁▁▁▁▁▁▁▁██", "query", "visitors", "is_engaged")
    query = page.get_by_text("select * from sessions where session_date = date '2024-05-07'")
    sync_api.expect(query.filter(visible=True).first).to_be_visible(timeout=PATIENCE)


def test_table_page_shows_its_meaning(ui: str, page: Any) -> None:
    page.goto(f"{ui}/assets/sessions")
    sees(page, TABLES["sessions"].grain, "landing_page", "DuckDB", "Parquet")
    page.goto(f"{ui}/assets/open_sessions")
    sees(page, "store_only", "This asset depends on earlier partitions of itself.")


def test_checks_show_passed_and_failed(ui: str, page: Any) -> None:
    page.goto(f"{ui}/assets/events?view=checks&checkDetail=ledger_closes")
    sees(page, "audit_recompute", "ledger_closes", "every line is accounted for", "Passed", "duplicates", "waiting")
    page.goto(f"{ui}/assets/source_files?view=checks&checkDetail=set_aside_rate")
    sees(page, "set_aside_rate", "Failed")
    sync_api.expect(page.get_by_text(re.compile(r"test/picture\.png: the file is refused")).first).to_be_visible()


def test_command_line_runs_look_like_other_runs(ui: str, page: Any, deployment: Orchestrated) -> None:
    page.goto(f"{ui}/overview/timeline")
    sees(page, LOCATION, "build", "ingest")
    assert "No runs or scheduled ticks" not in page.inner_text("body")
    page.goto(f"{ui}/locations/{LOCATION}/jobs/build")
    sees(page, "sessions", "answers")
    sync_api.expect(page.get_by_text(re.compile("^Latest run:")).first).to_be_visible(timeout=PATIENCE)
    assert "You have not materialized any assets" not in page.inner_text("body")
    page.goto(f"{ui}/runs")
    sees(page, "ingest", "build", "session_pipeline/reason: command line", "Failure")
    shown = page.inner_text("body")
    assert "Failed to start" not in shown
    assert "session_pipeline/process" not in shown
    [build] = deployment.instance.get_runs(limit=1)
    page.goto(f"{ui}/runs/{build.run_id}")
    sees(page, "Success", 'Finished execution of run for "build".')
    page.get_by_text("View tags and config").click()
    sees(page, "asset_partition_range_start: 2024-05-06", "asset_partition_range_end: 2024-05-08")


def test_healthy_deployment_has_no_missing_days(ui: str, page: Any) -> None:
    page.goto(f"{ui}/assets/sessions?view=partitions")
    sees(page, "Materialized (3)", "Missing (0)", "2024-05-08")


def test_schedule_and_sensors_are_listed(ui: str, page: Any) -> None:
    page.goto(f"{ui}/automation")
    sees(page, "daily", "Scheduled At 03:00 AM UTC", "landing", "stale_days")


ONE_STEP = ("agents_seen", "events", "duplicate_events", "open_sessions", "recent_event_ids", "sessions")


@pytest.mark.parametrize("names", [ONE_STEP, None], ids=["tables of one step", "all tables"])
def test_tables_can_be_backfilled(ui: str, names: tuple[str, ...] | None) -> None:
    if names is None:
        nodes = answer(f"{ui}/graphql", {"query": "{ assetNodes { assetKey { path } } }"})["data"]["assetNodes"]
        names = tuple(node["assetKey"]["path"][0] for node in nodes)
    mutation = """mutation($it: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $it) {
        __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
    days = [str(day) for day in DAYS]
    asked = {"assetSelection": [{"path": [name]} for name in names], "partitionNames": days, "tags": []}
    question = {"query": mutation, "variables": {"it": {**asked, "fromFailure": False}}}
    launched = answer(f"{ui}/graphql", question)["data"]["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched


def test_report_shows_its_charts(ui: str, page: Any) -> None:
    page.goto(f"{ui}/assets/report")
    sees(page, "charts", "seconds_by_stage")
    page.get_by_text("Show Markdown").first.click()
    sees(page, "How visits ended", "Day by day", "Funnel checkout")
    page.wait_for_function("[...document.images].filter(image => image.src.startsWith('data:image/svg')).length >= 3")
    widths = page.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert min(widths) > 300  # a broken image has none

"""Tests the report: known figures, hostile input that stays inert, and a page that fits its window."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from html import unescape
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from session_pipeline import report
from session_pipeline.errors import StoreError, WrongUseError
from session_pipeline.publish import warehouse
from session_pipeline.publish.publication import Published
from session_pipeline.report import charts, figures, formats, svg
from session_pipeline.report.figures import Window
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.report_pages import Page, Visits, written

LAST = date(2024, 3, 15)
HOSTILE = "/<script>document.title='owned'</script>"
HOSTILE_STEP = "<img src=x onerror=alert(1)>"
SETTINGS = {
    "funnels": [
        {
            "name": "<b>checkout</b>",
            "steps": [
                {"name": "cart", "where": "event_name = 'add_to_cart'"},
                {"name": HOSTILE_STEP, "where": "event_name = 'begin_checkout'"},
                {"name": "purchase", "where": "event_name = 'purchase'"},
            ],
        }
    ]
}
BUYING = [*(f"/shop/{name}" for name in "abc"), "add_to_cart", "begin_checkout", "purchase"]
BROWSING = ["/shop/c", HOSTILE, "/shop/d"]
CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A week of 20 visits with 5 purchases, after a week of 4 visits with 2 purchases; one bot."""
    visits = Visits()
    before = LAST - timedelta(days=13)
    visits.add(before, 2, BUYING)
    visits.add(before, 2, ["/"])
    visits.add(LAST - timedelta(days=1), 4, BUYING)
    visits.add(LAST - timedelta(days=1), 3, BROWSING)
    visits.add(LAST - timedelta(days=1), 3, [*BROWSING, "add_to_cart"])
    visits.add(LAST, 1, BUYING)
    visits.add(LAST, 3, BROWSING)
    visits.add(LAST, 6, ["/"])
    visits.add(LAST, 1, ["/"], user_agent="Googlebot/2.1 (+http://www.google.com/bot.html)")
    deployment = Deployment(tmp_path_factory.mktemp("report"), SETTINGS)
    deployment.deliver("events", [*visits.lines, "{broken"])
    deployment.run(until=LAST + timedelta(days=1))
    return deployment


@pytest.fixture(scope="module")
def page(deployment: Deployment) -> Page:
    return written(deployment)


@pytest.mark.long
def test_outcomes_are_counted_and_compared_with_the_week_before(page: Page) -> None:
    header = next(row for row in page.rows if row[0] == "Outcome")
    assert header == ["Outcome", "Visits", "Share", "Change", "14 days", "Fri 15 Mar"]
    assert page.row("purchase") == ["purchase", "5", "25.0 %", "−25.0 pp", "", "1"]
    assert page.row("abandoned cart") == ["abandoned cart", "3", "15.0 %", "+15.0 pp", "", "0"]
    assert page.row("engaged") == ["engaged", "6", "30.0 %", "+30.0 pp", "", "3"]
    assert page.row("bounce") == ["bounce", "6", "30.0 %", "−20.0 pp", "", "6"]


def test_outcomes_follow_settings_order_then_engaged_and_bounce(page: Page) -> None:
    names = [row[0] for row in page.rows if row[0] in ("purchase", "abandoned cart", "engaged", "bounce")]
    assert names == ["purchase", "abandoned cart", "engaged", "bounce"]


def test_headline_has_days_visits_value_and_bots(page: Page) -> None:
    assert "Visits, 9–15 Mar 2024" in page.text
    assert "Last full day: Fri 15 Mar 2024 (UTC). There are no visits after it, through Sat 16 Mar 2024." in page.text
    assert "compared with the week before, 2–8 Mar 2024" in page.text
    assert "20 visitors. 1 bot session excluded." in page.text
    assert "Visits 20 +400.0 % · Fri 15 Mar: 10" in page.text
    assert "Converted 5 25.0 % −25.0 pp · Fri 15 Mar: 1" in page.text
    assert "Value 52.50 EUR +150.0 % · Fri 15 Mar: 10.50" in page.text


def test_most_common_paths_with_and_without_a_purchase(page: Page) -> None:
    bought, left = page.text.split("Visits with a purchase")[1].split("Visits without one")[:2]
    assert bought.startswith(" 5 100.0 % take it: 6 actions in 5 min (medians)")
    assert "/shop/a page /shop/b page /shop/c page add to cart action begin checkout action purchase action" in bought
    assert left.startswith(" 9 66.7 % take it: 3 actions in 2 min (medians)")
    assert f"/shop/c page {HOSTILE.replace('>', '›')} page /shop/d page left" in left
    assert "Without 6 bounces." in left


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
    assert "Visits with a conversion 0 No such visits in this week." in page.text
    assert "Change" not in next(row for row in page.rows if row[0] == "Outcome")


def test_funnel_shows_losses_and_marks_the_largest(page: Page) -> None:
    assert page.row("1 cart") == ["1 cart", "8", "100.0 %", "–", "–", "3 largest", "left 100.0 %"]
    assert page.row(f"2 {HOSTILE_STEP}") == [f"2 {HOSTILE_STEP}", "5", "62.5 %", "30.6–86.3 %", "62.5 %", "0", ""]
    assert page.row("3 purchase") == ["3 purchase", "5", "62.5 %", "30.6–86.3 %", "100.0 %", "–", ""]
    assert "−3 (37.5 %), largest loss" in page.text
    assert "Fri 15 Mar: 1 → 1 → 1. Week before: 100.0 %." in page.text


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
    assert page.text.count("matches no event") == 3  # in the warning, the chart and the table


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


def test_matching_settings_have_no_section(page: Page) -> None:
    assert "Settings to check" not in page.text


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


def test_page_order_is_outcomes_flaws_paths_funnels(page: Page) -> None:
    places = [
        page.text.index(title)
        for title in (
            "How visits ended",
            "Look here first",
            "The usual path",
            "What works",
            "Funnels with",
            "Who converts conversion",
        )
    ]
    assert places == sorted(places)


def test_every_line_is_accounted_for(page: Page, deployment: Deployment) -> None:
    lines = 7 * 6 + 6 * 3 + 3 * 4 + 8 + 1
    assert f"{lines + 1} lines delivered = {lines} accepted + 1 quarantined." in page.text
    assert f"{lines} accepted = {lines} events + 0 duplicates + 0 waiting" in page.text
    assert page.row("invalid json")[:3] == ["invalid json", "1", "1"]


def test_hostile_text_stays_text(page: Page) -> None:
    assert page.elements.isdisjoint({"script", "img", "iframe", "object", "form"})
    assert HOSTILE in page.text
    assert "<script>" not in page.html
    assert "<img src=x" not in page.html
    assert "<b>checkout" not in page.html


def test_page_requests_nothing_external(page: Page) -> None:
    assert not re.findall(r"https?://[^\s\"'<&]+", page.html)
    assert not re.findall(r"url\(|@import|<link(?! rel=\"icon\" href=\"data:,\")", page.html)
    assert "default-src 'none'" in page.html


def test_ids_are_unique(page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))


def test_every_chart_has_a_short_alternative(page: Page) -> None:
    images = re.findall(
        r'<svg [^>]*role="img" aria-labelledby="(.+?)" aria-describedby="(.+?)".*?'
        r'<title id="(.+?)">(.+?)</title><desc id="(.+?)">(.+?)</desc>',
        page.html.replace(formats.THIN_SPACE, " "),
    )
    assert len(images) == page.html.count("<svg") > 10
    assert all(name == title and described == desc for name, described, title, _, desc, _ in images)
    by_title = {title: description for *_, title, _, description in images}
    assert by_title["Shares of outcomes"] == (
        "9–15 Mar: engaged is the most frequent outcome, with 30.0 %. The table has all."
    )
    assert by_title["Conversion rate by day"] == "14 days, from 10.0 % to 50.0 %; last 10.0 %."
    assert by_title["Funnel &lt;b&gt;checkout&lt;/b&gt;"] == (
        "62.5 % of 8 attempts reach purchase. The largest loss is after cart."
    )
    assert max(map(len, by_title.values())) < 160


def test_figures_of_charts_are_in_tables(page: Page) -> None:
    assert ["Fri 15 Mar", "1", "0", "3", "6"] in page.rows  # visits by outcome
    assert ["Fri 15 Mar", "10", "1", "10.0 %", "10.50", "0.0 %", "1", "0", "0", "yes"] in page.rows
    assert page.row("home page")[1:] == ["30.0 %", "", "", "", "", ""]  # the grid of positions


def test_page_is_small(page: Page) -> None:
    assert len(page.html.encode()) < 400_000


def test_same_warehouse_gives_the_same_bytes(deployment: Deployment) -> None:
    first = report.write(deployment.folder).path.read_bytes()
    assert report.write(deployment.folder).path.read_bytes() == first
    assert sorted(path.name for path in deployment.folder.reports.iterdir()) == ["2024-03-15.html", "latest.html"]
    assert (deployment.folder.reports / "2024-03-15.html").read_bytes() == first


def test_displayed_queries_run_unchanged(page: Page, deployment: Deployment) -> None:
    blocks = re.findall(r"<pre tabindex=\"0\"><code>(.*?)</code></pre>", page.html, flags=re.DOTALL)
    assert len(blocks) == len(figures.VISIT_QUERIES) + len(figures.FILE_QUERIES)
    with warehouse.connect(deployment.folder.warehouse, deployment.folder.store) as connection:
        for block in blocks:
            connection.execute(unescape(block)).fetchall()


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
    assert "Visits 3 Fri 15 Mar: 3 Visitors 3 Fri 15 Mar: 3" in page.text


def test_single_site_has_no_table(page: Page) -> None:
    assert "By site" not in page.text


def test_warehouse_without_visits_explains_what_to_do(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    deployment.run(until=LAST)
    page = written(deployment)
    assert "No visits yet" in page.text
    assert "Put event files" in page.text
    assert "Run session-pipeline run" in page.text


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


def test_import_of_the_report_does_not_load_the_template_engine() -> None:
    code = "import sys, session_pipeline.report; sys.exit('jinja2' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_week_is_seven_days_after_the_seven_before() -> None:
    window = Window(LAST - timedelta(days=13), LAST, LAST, is_full=True)
    assert (window.first_day, window.before_first_day, window.before_last_day) == (
        date(2024, 3, 9),
        date(2024, 3, 2),
        date(2024, 3, 8),
    )
    assert window.has_before
    later = Window(LAST - timedelta(days=12), LAST, LAST, is_full=True)
    assert (later.has_before, later.has_some_before) == (False, True)
    assert not Window(LAST - timedelta(days=6), LAST, LAST, is_full=True).has_some_before


@pytest.mark.parametrize(
    ("highest", "count", "smallest_step", "expected"),
    [
        (903, 5, 1, [0, 200, 400, 600, 800, 1000]),
        (1, 5, 1, [0, 1]),
        (0, 5, 1, [0, 1]),
        (12, 5, 1, [0, 5, 10, 15]),
        (0.142, 5, 0.01, [0, 0.05, 0.1, 0.15]),
        (0.004, 5, 0.01, [0, 0.01]),
        (1.0, 3, 0.01, [0, 0.5, 1.0]),
    ],
)
def test_ticks_of_an_axis(highest: float, count: int, smallest_step: float, expected: list[float]) -> None:
    assert charts.nice_ticks(highest, count, smallest_step) == expected


def test_svg_escapes_texts_and_shortens_numbers() -> None:
    assert svg.text("<b>&", 1 / 3, 2.0, "end") == '<text x="0.33" y="2" class="end">&lt;b&gt;&amp;</text>'
    assert svg.element("rect", width=0.0, fill='"', x=None) == '<rect width="0" fill="&#34;"/>'


def test_texts_in_charts_are_shortened_to_fit() -> None:
    step = {"step_number": 1, "step": "商" * 40, "reached_count": 12345678, "conversion_rate": 1.0}
    image = charts.funnel("funnel-1", 380, "f", [step | {"is_unmatched": False, "is_largest_loss": False}])
    assert '<text x="0" y="14">1  商商商商商商…</text>' in image


def test_chart_without_conversions_or_with_one_day_is_drawn() -> None:
    row = {"session_date": LAST, "session_count": 0, "conversion_rate": None, "is_final": False}
    image = charts.days("days", 350, [row])
    assert image.count('class="hollow point"') == 1
    assert "nan" not in image
    assert "inf" not in image


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (formats.number(1234567), "1,234,567"),
        (formats.number(None), "–"),
        (formats.counted(1, "visit"), "1 visit"),
        (formats.counted(2000, "visit"), "2,000 visits"),
        (formats.money(-1234.5, "EUR"), "−1,234.50 EUR"),
        (formats.money(1.0, "XXX"), "1.00 in mixed currencies"),
        (formats.percent(0.12345), "12.3 %"),
        (formats.percent(0.0001), "<0.1 %"),
        (formats.percent(0.0), "0.0 %"),
        (formats.points(-0.0004), "±0.0 pp"),
        (formats.points(-0.012), "−1.2 pp"),
        (formats.growth(3, 2), "+50.0 %"),
        (formats.growth(3, 0), "–"),
        (formats.days(date(2026, 12, 29), date(2027, 1, 4)), "29 Dec 2026 – 4 Jan 2027"),
        (formats.days(date(2026, 9, 28), date(2026, 10, 4)), "28 Sep – 4 Oct 2026"),
        (formats.duration(604800), "7 days"),
        (formats.duration(3600), "1 hour"),
        (formats.shortened("/" + "a" * 99), "/" + "a" * 58 + "…"),
    ],
)
def test_formats_of_figures(text: str, expected: str) -> None:
    assert text.replace(formats.THIN_SPACE, " ") == expected


@contextmanager
def opened(path: Path, width: int, height: int, scheme: Any) -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists() and shutil.which("chromium") is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=str(CHROMIUM) if CHROMIUM.exists() else shutil.which("chromium"),
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        )
        tab = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        complaints: list[str] = []
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("request", lambda request: complaints.append(request.url) if request.url != path.as_uri() else None)
        tab.goto(path.as_uri())
        yield tab
        assert [text for text in complaints if text != "data:,"] == []
        browser.close()


def test_report_of_a_chosen_day_has_its_own_file(deployment: Deployment, page: Page) -> None:
    day = LAST - timedelta(days=1)
    path = report.write_day(deployment.folder, day)
    assert path.name == "2024-03-14.html"
    text = Page(path.read_text(encoding="utf-8")).text
    path.unlink()
    assert "Visits, 8–14 Mar 2024" in text
    assert "Later days are not in this report." in text
    assert page.html == (deployment.folder.reports / "latest.html").read_text(encoding="utf-8")


def test_report_of_an_unknown_day_is_refused(deployment: Deployment) -> None:
    with pytest.raises(WrongUseError, match="the days from 2024-03-02 to 2024-03-15"):
        report.write_day(deployment.folder, LAST + timedelta(days=1))


def test_reports_of_other_days_stay_and_the_former_file_is_removed(deployment: Deployment) -> None:
    other, former = (deployment.folder.reports / name for name in ("2024-01-01.html", "index.html"))
    for path in (other, former):
        path.write_text("kept")
    report.write(deployment.folder)
    assert other.read_text() == "kept"
    assert not former.exists()
    other.unlink()


def test_queries_read_daily_tables_and_no_events() -> None:
    folder = files("session_pipeline.report").joinpath("queries")
    read = {
        path.name: set(re.findall(r"\b(?:from|join) ([a-z_]+)", path.read_text(encoding="utf-8")))
        for path in folder.iterdir()
    }
    wide = {"events", "raw_events", "session_actions", "sessions", "session_facts"}
    assert {name: found & wide for name, found in read.items() if found & wide} == {"ledger.sql": {"events"}}


@pytest.mark.long
@pytest.mark.browser
def test_main_figures_are_above_the_fold_and_page_fits_a_phone(deployment: Deployment) -> None:
    path = report.write(deployment.folder).path
    bottom = "element => element.getBoundingClientRect().bottom"
    sections = [f"[aria-labelledby={name}]" for name in ("outcomes", "look", "paths", "works")]
    with opened(path, 1440, 900, "light") as tab:
        for selector in sections:
            assert tab.locator(selector).evaluate(bottom) <= 900, selector
        assert tab.title() == "Visits, 9–15 Mar 2024"
        assert tab.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    with opened(path, 390, 844, "dark") as tab:
        for selector in sections:
            assert tab.locator(selector).evaluate(bottom) <= 2 * 844, selector
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        assert tab.evaluate("getComputedStyle(document.documentElement).backgroundColor") != "rgb(255, 255, 255)"
        assert tab.locator(".wide:visible").count() == 0

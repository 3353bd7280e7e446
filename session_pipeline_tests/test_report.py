"""Tests the report: known figures, hostile input that stays inert, and a page that fits its window."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from html import unescape
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from session_pipeline import report
from session_pipeline.errors import WrongUseError
from session_pipeline.publish import warehouse
from session_pipeline.report import figures, formats
from session_pipeline.report.page import TEMPLATES
from session_pipeline_tests.changed_reports import STEP, page_with
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.report_pages import BROWSING, BUYING, HOSTILE, HOSTILE_STEP, LAST, Page, Visits, written

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
CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A week of 20 visits with 5 purchases, after a week of 4 visits with 2 purchases, on three weekdays; one bot."""
    visits = Visits()
    visits.add(LAST - timedelta(days=13), 2, BUYING)
    visits.add(LAST - timedelta(days=8), 1, ["/"])
    visits.add(LAST - timedelta(days=7), 1, ["/"])
    visits.add(LAST - timedelta(days=6), 3, BROWSING)
    visits.add(LAST - timedelta(days=1), 4, BUYING)
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


def test_contents_link_each_section_below_them() -> None:
    page = (TEMPLATES / "page.html").read_text(encoding="utf-8")
    below = re.findall(r'include "(\w+\.html)"', page.split("{% set below %}")[1].split("{% endset %}")[0])
    sections = [(TEMPLATES / file).read_text(encoding="utf-8") for file in below]
    headings = {name for section in sections for name in re.findall(r'<h2 id="(\w+)"', section)}
    linked = re.findall(r'href="#(\w+)"', (TEMPLATES / "contents.html").read_text(encoding="utf-8"))
    assert headings
    assert headings - set(linked) == set(), "link the section in contents.html"


@pytest.mark.long
def test_outcomes_are_counted_and_compared_with_the_week_before(page: Page) -> None:
    header = next(row for row in page.rows if row[0] == "Outcome")
    assert header == ["Outcome", "Visits", "Share", "Change", "14 days", "Fri 15 Mar"]
    assert page.row("purchase") == ["purchase", "5", "25.0 %", "−25.0 pp", "", "1"]
    assert page.row("abandoned cart") == ["abandoned cart", "3", "15.0 %", "+15.0 pp", "", "0"]
    assert page.row("engaged") == ["engaged", "6", "30.0 %", "+30.0 pp", "", "3"]
    assert page.row("bounce") == ["bounce", "6", "30.0 %", "−20.0 pp", "", "6"]
    assert page.html.count('<td class="pale">−25.0') == 1  # 5 of 20 after 2 of 4 can be chance, here and above
    assert "<b>−25.0" not in page.html


def test_outcomes_follow_settings_order_then_engaged_and_bounce(page: Page) -> None:
    names = [row[0] for row in page.rows if row[0] in ("purchase", "abandoned cart", "engaged", "bounce")]
    assert names == ["purchase", "abandoned cart", "engaged", "bounce"]


def test_headline_has_days_visits_value_and_bots(page: Page) -> None:
    assert "Visits, 9–15 Mar 2024" in page.text
    assert "Last full day: Fri 15 Mar 2024 (UTC). No visits are known after it, through Sat 16 Mar 2024." in page.text
    assert "compared with the week before, 2–8 Mar 2024" in page.text
    assert "20 visitors. 1 bot session excluded." in page.text
    assert "Visits 20 +400.0 % · Fri 15 Mar: 10" in page.text
    assert "Converted 5 25.0 % −25.0 pp · Fri 15 Mar: 1" in page.text
    assert "Changes compare with the week before, 2–8 Mar 2024." in page.text
    assert "Value 52.50 EUR +150.0 % · Fri 15 Mar: 10.50" in page.text


def test_changes_whose_chance_is_not_known_are_not_bold(page: Page) -> None:
    tiles = page.html.split('class="tiles"')[1].split("</dl>")[0]
    assert "+400.0" in tiles
    assert "<b>" not in tiles


def test_most_common_paths_with_and_without_a_purchase(page: Page) -> None:
    bought, left = page.text.split("Visits with a purchase")[1].split("Visits without a conversion")[:2]
    assert bought.startswith(" 5 100.0 % take it: 6 actions in 5 min (medians)")
    assert "/shop/a page /shop/b page /shop/c page add to cart action begin checkout action purchase action" in bought
    assert left.startswith(" 9 66.7 % take it: 3 actions in 2 min (medians)")
    assert f"/shop/c page {HOSTILE.replace('>', '›')} page /shop/d page left" in left
    assert "Bounces are left out." in left


def test_funnel_shows_losses_and_marks_the_largest(page: Page) -> None:
    assert page.row("1 cart") == ["1 cart", "8", "100.0 %", "–", "–", "3 largest", "left 100.0 %"]
    assert page.row(f"2 {HOSTILE_STEP}") == [f"2 {HOSTILE_STEP}", "5", "62.5 %", "30.6–86.3 %", "62.5 %", "0", ""]
    assert page.row("3 purchase") == ["3 purchase", "5", "62.5 %", "30.6–86.3 %", "100.0 %", "–", ""]
    assert "−3 (37.5 %)" in page.text
    assert "The largest loss is after cart." in page.text
    assert "Fri 15 Mar: 1 → 1 → 1. Rate of the week before: 100.0 %." in page.text


def test_matching_settings_have_no_section(page: Page) -> None:
    assert "Settings to check" not in page.text


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
    assert by_title["Conversion rate by day"] == "14 days, from 0.0 % to 100.0 %; last 10.0 %."
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
    blocks = re.findall(r"<pre tabindex=\"0\"[^>]*><code>(.*?)</code></pre>", page.html, flags=re.DOTALL)
    assert len(blocks) == len(figures.VISIT_QUERIES) + len(figures.FILE_QUERIES)
    with warehouse.connect(deployment.folder.warehouse, deployment.folder.store) as connection:
        for block in blocks:
            connection.execute(unescape(block)).fetchall()


def test_single_site_is_not_named(page: Page) -> None:
    assert not [text for text in ("By site", "on site", "On site", "all sites together") if text in page.text]
    assert not [row for row in page.rows if "Site" in row and "Source" not in row]


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


def test_reports_of_other_days_and_files_of_others_stay(deployment: Deployment) -> None:
    """The folder of reports can be a link to the folder of a web server."""
    report.write(deployment.folder)
    names = ("2024-01-01.html", "index.html", ".index.html.swp", ".latest.html.swp", ".2024-01-01.html.orig")
    kept = [deployment.folder.reports / name for name in names]
    dead = deployment.folder.reports / ".2024-01-01.html.4194304"  # no process has this number
    for path in (*kept, dead):
        path.write_text("kept")
    report.write(deployment.folder)
    assert [path.read_text() for path in kept] == ["kept"] * len(kept)
    assert not dead.exists()
    for path in kept:
        path.unlink()


def test_queries_read_daily_tables_and_few_events() -> None:
    folder = files("session_pipeline.report").joinpath("queries")
    read = {
        path.name: set(re.findall(r"\b(?:from|join) ([a-z_]+)", path.read_text(encoding="utf-8")))
        for path in folder.iterdir()
    }
    wide = {"events", "raw_events", "session_actions", "sessions", "session_facts"}
    assert {name: found & wide for name, found in read.items() if found & wide} == {
        "flaw_known_examples.sql": {"sessions"},  # of the days of an alert
        "flaw_step_examples.sql": {"session_actions", "session_facts"},  # of the days of an alert
        "ledger.sql": {"events"},
        "search_terms.sql": {"events", "session_facts"},  # of the week
    }


@pytest.mark.long
@pytest.mark.browser
def test_all_columns_are_on_a_phone(deployment: Deployment) -> None:
    """A table that is too wide moves sideways, and its first column stays."""
    cells = "cells => cells.filter(cell => getComputedStyle(cell).display != 'table-cell').length"
    left = "cell => cell.getBoundingClientRect().left"
    with opened(report.write(deployment.folder).path, 390, 844, "light") as tab:
        assert tab.locator("th, td").evaluate_all(cells) == 0
        table = tab.locator(".funnel .scroll").first
        assert table.evaluate("table => table.scrollWidth - table.clientWidth") > 100
        before = table.locator("th").first.evaluate(left)
        table.evaluate("table => table.scrollLeft = 100")
        assert table.locator("tbody th").first.evaluate(left) == before
        assert table.locator("tbody td").first.evaluate(left) < before + 100


@pytest.mark.long
@pytest.mark.browser
def test_sentences_of_changes_have_room_on_a_phone(reported_week: Deployment, tmp_path: Path) -> None:
    page_with(reported_week, tmp_path, {"progress_changes": [STEP | {"sentence": "Fewer visits go on. " * 5}]})
    with opened(tmp_path / "data" / "reports" / "latest.html", 390, 844, "light") as tab:
        sentence = tab.locator("[aria-labelledby=found] tbody th").first
        assert sentence.evaluate("cell => cell.getBoundingClientRect().width") >= 200
        assert sentence.evaluate("cell => getComputedStyle(cell).position") == "static"
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.long
@pytest.mark.browser
@pytest.mark.parametrize(
    "sites",
    [
        pytest.param(["x" * 90], marks=pytest.mark.nightly),
        ["www.the-number-one-shop.example", "intranet.of-the-company.example"],
    ],
)
def test_page_with_long_names_of_sites_fits_a_phone_paper_and_a_desktop(sites: list[str], tmp_path: Path) -> None:
    """A table of a phone moves sideways; on paper, it cannot."""
    sources = {f"source_{number}": {"site": site} for number, site in enumerate(sites)}
    deployment = Deployment(tmp_path, {"sources": sources})
    for source, site in zip(sources, sites, strict=True):
        visits = Visits()
        visits.add(LAST, 6, ["/pay", "error"], page_url=f"https://{site[:60]}.example/pay")
        deployment.deliver("events", visits.lines, source=source)
    deployment.run(until=LAST)
    path = report.write(deployment.folder).path
    with opened(path, 320, 844, "light") as tab:
        assert tab.evaluate("document.documentElement.scrollWidth") <= 320
    width = "cells => cells.map(cell => cell.getBoundingClientRect().width)"
    with opened(path, 1440, 900, "light") as tab:  # the site leaves room for the page
        pages = tab.locator("[aria-label='First actions as a table'] th:has(+ .site)").evaluate_all(width)
        assert all(found >= 140 for found in pages)
        assert bool(pages) == (len(sites) > 1)
    with opened(path, 718, 1000, "light") as tab:  # A4 without the margins of a browser
        tab.emulate_media(media="print")
        assert tab.evaluate("document.documentElement.scrollWidth") <= 718


@pytest.mark.long
@pytest.mark.browser
def test_links_of_the_menu_can_be_tapped(deployment: Deployment) -> None:
    """WCAG 2.2, success criterion 2.5.8: 24 pixels."""
    heights = "links => links.map(link => link.getBoundingClientRect().height)"
    with opened(report.write(deployment.folder).path, 390, 844, "light") as tab:
        assert min(tab.locator("nav a").evaluate_all(heights)) >= 24


@pytest.mark.long
@pytest.mark.browser
def test_colours_of_outcomes_stay_in_high_contrast(deployment: Deployment) -> None:
    colours = "chips => chips.map(chip => getComputedStyle(chip).backgroundColor)"
    with opened(report.write(deployment.folder).path, 1440, 900, "light") as tab:
        usual = tab.locator(".chip").evaluate_all(colours)
        tab.emulate_media(forced_colors="active")
        assert tab.locator(".chip").evaluate_all(colours) == usual


@pytest.mark.long
@pytest.mark.browser
def test_link_to_a_query_opens_it(deployment: Deployment) -> None:
    with opened(report.write(deployment.folder).path, 1440, 900, "light") as tab:
        tab.locator("#friction .source").click()
        query = tab.locator("#query-friction_by_page")
        query.wait_for(state="visible", timeout=5000)
        title = tab.locator("details:has(#query-friction_by_page) summary")
        assert 0 <= title.evaluate("title => title.getBoundingClientRect().top") < 300


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
    with opened(path, 700, 1000, "light") as tab:  # less than the width of A4 without its margins
        tab.emulate_media(media="print")
        assert tab.locator(".narrow:visible").count() == 0
        assert tab.locator("[aria-labelledby=days] .wide:visible").count() == 0  # its texts would be tiny
        assert tab.locator("[aria-labelledby=days] .medium:visible").count() == 1
        split = "element => element.tagName == 'TABLE' && element.tBodies[0].rows.length > 14"
        whole = f"elements => elements.filter(element => !({split})(element))"
        styles = f"elements => ({whole})(elements).map(element => getComputedStyle(element).breakInside)"
        assert set(tab.locator("table, .paths").evaluate_all(styles)) == {"avoid"}

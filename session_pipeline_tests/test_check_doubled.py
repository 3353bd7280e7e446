"""Tests the check that warns of page views that come twice: what it counts, and what it says about the cause."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from session_pipeline import checks
from session_pipeline.checks import Verdict, doubled
from session_pipeline_tests.checked_stores import asked
from session_pipeline_tests.deployment import Deployment

DAY = date(2024, 5, 6)
PAGES = ("/", "/product", "/cart")
TAG_TWICE = "see whether the tag is on the pages twice, or reports each view twice"


def lines(
    *, visitors: int = 30, bounces: int = 0, views: int = 2, seconds: float = 0.4, tag: str = ""
) -> Iterator[dict[str, Any]]:
    """Yield sessions of two and three pages with clicks; a page is reported several times, so many seconds apart."""
    for visitor in range(visitors):
        is_bounce = visitor < bounces
        for number, page in enumerate(PAGES[: 1 if is_bounce else 2 + visitor % 2]):
            for view in range(1 if is_bounce else views):
                for name, shift in (("page_view", 0.0), ("click", 0.1)):
                    yield {
                        "event_id": f"{tag}-{visitor}-{number}-{view}-{name}",
                        "visitor_id": f"v{visitor}",
                        "event_time": f"{DAY}T10:{visitor:02d}:{10 * number + view * seconds + shift:06.3f}Z",
                        "event_name": name,
                        "page_url": f"https://shop.example{page}",
                    }


def found(folder: Path, **deliveries: dict[str, Any]) -> Verdict:
    """Return what the check says of these deliveries, each of a source of its own."""
    deployment = Deployment(folder, {"start_date": DAY}, only=("events", "sessions"))
    for source, options in deliveries.items():
        deployment.deliver(source, list(lines(**options)), source=source)
    deployment.run(publishes=False)
    return asked(deployment, checks.doubled_page_views, DAY)


def test_page_views_that_come_twice_are_named(tmp_path: Path) -> None:
    verdict = found(tmp_path, web={})
    counts = "75 of 150 page views come within a second after a view of the same page"
    assert verdict.sentence == f"{DAY}: site main: {counts}; {TAG_TWICE}"
    assert verdict.problems == (f"{DAY}: site main: page views come twice",)


def test_sources_that_deliver_the_same_events_are_named(tmp_path: Path) -> None:
    verdict = found(tmp_path, web={"views": 1}, copy={"views": 1, "tag": "b"})
    counts = "75 of 150 page views come within a second after a view of the same page"
    cause = "the sources copy and web deliver the same events: keep one of them"
    assert verdict.sentence == f"{DAY}: site main: {counts}; {cause}"


def test_some_views_of_another_source_do_not_hide_that_the_tag_is_there_twice(tmp_path: Path) -> None:
    verdict = found(tmp_path, web={}, server={"visitors": 2, "views": 1, "tag": "b"})
    assert verdict.sentence.endswith(TAG_TWICE)


@pytest.mark.parametrize(
    "options",
    [{"views": 1}, {"seconds": 1.5}, {"visitors": 29}, {"visitors": 30, "bounces": 2}],
    ids=["each view once", "views of one page later than a second", "29 sessions", "2 of 30 bounce"],
)
def test_usual_page_views_are_not_named(tmp_path: Path, options: dict[str, Any]) -> None:
    assert found(tmp_path, web=options).holds


def test_one_bounce_of_thirty_is_no_proof_of_the_opposite(tmp_path: Path) -> None:
    assert not found(tmp_path, web={"bounces": 1}).holds


def test_of_many_sessions_some_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = Deployment(tmp_path, {"start_date": DAY}, only=("events", "sessions"))
    deployment.deliver("web", list(lines(visitors=59)))
    deployment.run(publishes=False)
    all_views = 2 * (30 * 2 + 29 * 3)
    assert (
        f" {all_views // 2} of {all_views} page views come "
        in asked(deployment, checks.doubled_page_views, DAY).sentence
    )
    monkeypatch.setattr(doubled, "MOST_SESSIONS", 20)
    ids = deployment.table("sessions")["session_id"]
    chosen = ids[ids < doubled._end_of_sample(59)]
    assert 10 < len(chosen) < 30
    events = deployment.table("events")
    views = int((events["session_id"].isin(chosen) & (events["event_name"] == "page_view")).sum())
    counts = f"{views // 2} of {views} page views of the sessions looked at come within a second"
    assert f"site main: {counts}" in asked(deployment, checks.doubled_page_views, DAY).sentence


def test_a_sample_of_sessions_has_about_so_many() -> None:
    assert doubled._end_of_sample(10_000) > "f" * 32, "all sessions"
    assert doubled._end_of_sample(10_001) < "f" * 32
    assert doubled._end_of_sample(160_000) == "10000000", "a sixteenth of them"

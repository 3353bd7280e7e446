"""Tests the report's list of folders with many pages."""

from contextlib import closing
from datetime import date

import duckdb

from session_pipeline.report.figures import run_query

FIRST, LAST = date(2024, 3, 9), date(2024, 3, 15)


def folders(*actions: str, day: date = LAST) -> list[tuple[str, int, str, str]]:
    """Return the rows of the list if these actions occurred on a day, each on two sites."""
    with closing(duckdb.connect()) as connection:
        connection.execute("create table action_friction (site varchar, action varchar, session_date date)")
        rows = [(site, action, day) for action in actions for site in ("a", "b")]
        connection.executemany("insert into action_friction values (?, ?, ?)", rows)
        found = run_query(connection, "unfolded_actions", {"first_day": FIRST, "last_day": LAST}).rows
        return [tuple(row.values()) for row in found]


def pages(beginning: str, count: int) -> list[str]:
    return [f"{beginning}{number:03d}" for number in range(count)]


def test_a_folder_with_100_pages_is_listed() -> None:
    found = folders(*pages("/p/", 100), *pages("/q/", 99), *pages("event ", 200), *pages("/", 101))
    assert found == [("/", 101, "/000", "/100"), ("/p/", 100, "/p/000", "/p/099")]


def test_only_the_days_of_the_report_count() -> None:
    many = pages("/p/", 100)
    assert folders(*many, day=FIRST)
    assert not folders(*many, day=date(2024, 3, 8))
    assert not folders(*many, day=date(2024, 3, 16))


def test_a_slash_in_a_query_parameter_is_no_folder() -> None:
    assert folders(*pages("/shop/list?page=a/", 100)) == [
        ("/shop/", 100, "/shop/list?page=a/000", "/shop/list?page=a/099")
    ]


def test_a_folder_can_have_a_line_break_in_its_name() -> None:
    assert folders(*pages("/a\nb/c", 100)) == [("/a\nb/", 100, "/a\nb/c000", "/a\nb/c099")]


def test_the_five_largest_folders_are_listed_in_order() -> None:
    found = folders(*(page for name in "fedcba" for page in pages(f"/{name}/", 100)), *pages("/g/", 101))
    assert [folder for folder, *_ in found] == ["/g/", "/a/", "/b/", "/c/", "/d/"]

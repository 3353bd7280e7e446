"""Tests commands where files of the data folder cannot be used: permissions, folders in their place, links to nothing.

Delivered files are in test_deliveries.py, and files that a user names in test_output.py.
"""

from pathlib import Path

import pytest

from session_pipeline_tests.shop_commands import call, deliver_one_more_line, run, with_modes


def test_status_names_a_warehouse_that_is_gone(own_shop: Path) -> None:
    warehouse = own_shop / "warehouse.duckdb"
    warehouse.unlink()
    code, _, err = call("status", "--check", "--data", own_shop)
    assert (code, f"there is no warehouse at {warehouse}; write it with `session-pipeline run`" in err) == (1, True)
    warehouse.mkdir()
    code, _, err = call("status", "--check", "--data", own_shop)
    assert (code, f"{warehouse} is a folder; move it elsewhere" in err) == (1, True)


@pytest.mark.long
def test_status_names_a_publication_that_failed(own_shop: Path) -> None:
    deliver_one_more_line(own_shop)
    assert with_modes({own_shop: 0o555}, "run", "--data", own_shop).returncode == 1
    code, _, err = call("status", "--check", "--data", own_shop)
    assert (code, "the last build failed, and what is built is not published" in err) == (1, True)
    assert run(own_shop).returncode == 0
    assert call("status", "--check", "--data", own_shop)[0] == 0


@pytest.mark.long
def test_dev_without_access_to_the_history_is_explained(own_shop: Path) -> None:
    home = own_shop / "dagster_home"
    ran = with_modes(dict.fromkeys([home, *home.rglob("*")], 0o555), "dev", "--data", own_shop)
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"Error: Dagster cannot use its database in {home} (")
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "place",
    ["history/runs.db", *(pytest.param(place, marks=pytest.mark.long) for place in ("history/runs", "schedules"))],
)
def test_history_that_may_not_be_written_is_explained(own_shop: Path, place: str) -> None:
    """As after a run of another user, such as root. Then the history is not broken, and must not be deleted."""
    deliver_one_more_line(own_shop)
    home = own_shop / "dagster_home"
    closed = [home / place, *(home / place).rglob("*")]
    ran = with_modes({path: 0o555 if path.is_dir() else 0o444 for path in closed}, "run", "--data", own_shop)
    assert f"Dagster cannot use its database in {home} (" in ran.stderr + ran.stdout
    assert "needs write access to that folder" in ran.stderr + ran.stdout
    assert "Traceback" not in ran.stderr
    assert "delete" not in ran.stderr + ran.stdout


def test_status_leaves_out_files_that_may_not_be_seen(own_shop: Path) -> None:
    closed = own_shop / "raw" / "web" / "closed"
    closed.mkdir(parents=True)
    (closed / "a.jsonl").write_text("{}\n")
    ran = with_modes({closed: 0o444}, "status", "--data", own_shop)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.long
@pytest.mark.parametrize("has_warehouse", [True, pytest.param(False, marks=pytest.mark.long)])
def test_run_explains_a_folder_that_may_not_be_written(own_shop: Path, has_warehouse: bool) -> None:
    """The warehouse can be read: it is the folder that refuses the new one."""
    deliver_one_more_line(own_shop)
    if not has_warehouse:
        (own_shop / "warehouse.duckdb").unlink()
    ran = with_modes({own_shop: 0o555}, "run", "--data", own_shop)
    assert ran.returncode == 1
    assert f"{own_shop / 'warehouse.duckdb'} cannot be written (Permission denied); make {own_shop}" in ran.stderr
    assert "Errno" not in ran.stderr


@pytest.mark.long
def test_run_explains_a_warehouse_that_may_not_be_read(own_shop: Path) -> None:
    deliver_one_more_line(own_shop)
    warehouse = own_shop / "warehouse.duckdb"
    ran = with_modes({warehouse: 0}, "run", "--data", own_shop)
    assert ran.returncode == 1
    assert f"{warehouse} cannot be read (Permission denied); make it readable" in ran.stderr
    assert "Errno" not in ran.stderr


@pytest.mark.long
def test_query_explains_a_warehouse_that_may_not_be_read(own_shop: Path) -> None:
    warehouse = own_shop / "warehouse.duckdb"
    ran = with_modes({warehouse: 0}, "query", "select 1", "--data", own_shop)
    assert ran.returncode == 1
    assert f"{warehouse} cannot be read; make it readable for the user that runs this" in ran.stderr

"""Tests commands where files of the data folder cannot be used: permissions, folders in their place, links to nothing.

Delivered files are in test_deliveries.py, and files that a user names in test_output_places.py.
"""

import errno
import json
import os
import resource
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from session_pipeline.errors import OpenFilesError, StoreError
from session_pipeline.publish.warehouse_file import NewFile
from session_pipeline.store.files import refusal_explained, replacing
from session_pipeline.store.shortage import report_shortage
from session_pipeline_tests.shop_commands import call, deliver, deliver_one_more_line, run, with_modes


def test_status_names_a_warehouse_that_is_gone(own_shop: Path) -> None:
    warehouse = own_shop / "warehouse.duckdb"
    warehouse.unlink()
    code, _, err = call("status", "--check", "--data", own_shop)
    assert (code, f"there is no warehouse at {warehouse}; write it with `session-pipeline run`" in err) == (1, True)
    warehouse.mkdir()
    code, _, err = call("status", "--check", "--data", own_shop)
    assert (code, f"{warehouse} is a folder; move it elsewhere" in err) == (1, True)


@pytest.mark.long
def test_run_explains_what_cannot_be_published_and_status_names_it(
    own_shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(own_shop, "empty.jsonl", "\n")  # is published without a day to build
    require_that_the_folder_is_named(own_shop)
    warehouse = own_shop / "warehouse.duckdb"
    ran = with_modes({warehouse: 0}, "run", "--data", own_shop)
    assert ran.returncode == 1
    assert f"{warehouse} cannot be read (Permission denied); make it readable" in ran.stderr
    assert "Errno" not in ran.stderr
    warehouse.rename(own_shop / "removed.duckdb")
    require_that_the_folder_is_named(own_shop)
    (own_shop / "removed.duckdb").rename(warehouse)

    # More runs of ingest than are shown can follow it.
    monkeypatch.setattr("session_pipeline.cli.status.LAST_RUNS", 0)
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


@pytest.mark.long
@pytest.mark.parametrize(
    "place",
    ["history/runs.db", "history/runs", "schedules"],
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


@pytest.mark.long
def test_folder_that_may_only_be_read_can_be_asked(own_shop: Path, tmp_path: Path) -> None:
    closed = {
        path: 0o555 if path.is_dir() else 0o444 for path in (own_shop, *own_shop.rglob("*")) if not path.is_symlink()
    }
    usual = call("status", "--json", "--data", own_shop)
    asked = [with_modes(closed, command, "--data", own_shop) for command in ("status", "plan", "check")]
    assert [(ran.returncode, ran.stderr) for ran in asked] == [(0, "")] * 3
    ran = with_modes(closed, "status", "--json", "--data", own_shop)
    assert json.loads(ran.stdout)["runs"] == json.loads(usual[1])["runs"]
    assert with_modes(closed, "export", tmp_path / "copy.duckdb", "--data", own_shop).returncode == 0
    ran = with_modes(closed, "verify", "--data", own_shop)
    said = f"Error: {own_shop / 'store/catalog.sqlite'} cannot be written; the user that runs this needs write access\n"
    assert (ran.returncode, ran.stderr) == (1, said)


@pytest.mark.long
def test_export_of_a_visitor_names_a_key_that_may_not_be_read(own_shop: Path, tmp_path: Path) -> None:
    """It is not damaged, so to verify the store would not help."""
    key = own_shop / "visitor_key"
    key.write_text("0" * 64)
    ran = with_modes({key: 0}, "export", tmp_path / "held.json", "--visitor", "v1", "--data", own_shop)
    said = f"Error: {key}: Permission denied; the user that runs this needs access to it\n"
    assert (ran.returncode, ran.stderr) == (1, said)


@pytest.mark.parametrize("command", ["run", pytest.param("status", marks=pytest.mark.long)])
def test_folder_of_another_user_is_named(own_shop: Path, command: str) -> None:
    """Of a user whose new files only that user may see (umask 077): the place that is named is one that exists."""
    places = [own_shop / name for name in ("store", "dagster_home")]
    ran = with_modes(dict.fromkeys(places, 0), command, "--data", own_shop)
    said = f"Error: {own_shop / 'store'}: Permission denied; the user that runs this needs access to it\n"
    assert (ran.returncode, ran.stderr) == (1, said)


@pytest.mark.long
def test_settings_of_dagster_of_another_user_need_no_repair(own_shop: Path) -> None:
    settings = own_shop / "dagster_home" / "dagster.yaml"
    ran = with_modes({settings: 0}, "status", "--data", own_shop)
    said = f"Error: {settings}: Permission denied; the user that runs this needs access to it\n"
    assert (ran.returncode, ran.stderr) == (1, said)


@pytest.mark.long
def test_status_leaves_out_files_that_may_not_be_seen(own_shop: Path) -> None:
    closed = own_shop / "raw" / "web" / "closed"
    closed.mkdir(parents=True)
    (closed / "a.jsonl").write_text("{}\n")
    ran = with_modes({closed: 0o444}, "status", "--data", own_shop)
    assert (ran.returncode, ran.stderr) == (0, "")


def require_that_the_folder_is_named(shop: Path) -> None:
    """Run without the right to write into the folder. A warehouse there can be read, and only a new one is refused."""
    ran = with_modes({shop: 0o555}, "run", "--data", shop)
    assert ran.returncode == 1
    assert f"{shop / 'warehouse.duckdb'} cannot be written (Permission denied); make {shop}" in ran.stderr
    assert "Errno" not in ran.stderr


@pytest.mark.long
def test_query_explains_a_warehouse_that_may_not_be_read(own_shop: Path) -> None:
    warehouse = own_shop / "warehouse.duckdb"
    ran = with_modes({warehouse: 0}, "query", "select 1", "--data", own_shop)
    assert ran.returncode == 1
    assert f"{warehouse} cannot be read; make it readable for the user that runs this" in ran.stderr


def write_page(path: Path) -> None:
    with refusal_explained(path), replacing(path) as temporary:
        temporary.write_text("page")


def test_folder_in_the_place_of_a_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "latest.html").mkdir()
    with pytest.raises(StoreError, match=r"/latest\.html is a folder; move it elsewhere, and run again"):
        write_page(tmp_path / "latest.html")
    (tmp_path / "warehouse.duckdb").mkdir()
    new = NewFile(tmp_path / "warehouse.duckdb", is_only_writer=True)
    new.place.touch()
    with pytest.raises(StoreError, match=r"/warehouse\.duckdb is a folder; move it elsewhere, and run again"):
        new.put_in_place()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest.html", "warehouse.duckdb"]


def test_link_into_a_folder_that_does_not_exist_is_explained(tmp_path: Path) -> None:
    page = tmp_path / "latest.html"
    page.symlink_to(tmp_path / "gone" / "page.html")
    said = "/latest.html is a link to .*/gone/page.html, whose folder does not exist; create that folder or remove"
    with pytest.raises(StoreError, match=said):
        write_page(page)
    (tmp_path / "gone").mkdir()
    write_page(page)
    assert page.read_text() == "page"


def test_immutable_file_is_explained(tmp_path: Path) -> None:
    page = tmp_path / "latest.html"
    with pytest.raises(StoreError, match=r"/latest\.html cannot be written .*`chattr -i`"), refusal_explained(page):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM), ".latest.html.123", None, "latest.html")


def test_too_many_open_files_are_explained(tmp_path: Path) -> None:
    rows = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"a": [1]}), rows)
    said = f"cannot open {rows}: too many files are open; raise the limit"
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with duckdb.connect() as connection:
        connection.sql(f"from '{rows}'").fetchall()
        resource.setrlimit(resource.RLIMIT_NOFILE, (1, before[1]))
        try:
            with pytest.raises(OpenFilesError, match=said), report_shortage(tmp_path):
                connection.sql(f"from '{rows}'").fetchall()
            with pytest.raises(OpenFilesError, match=said), report_shortage(tmp_path):
                rows.open()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)


TOO_MANY = "Error: cannot open {}: too many files are open; raise the limit (`ulimit -n 1024`"


def test_commands_explain_too_many_open_files(own_shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), "settings.toml")

    monkeypatch.setattr("session_pipeline.cli.folders.load_settings", refuse)
    code, _, err = call("check", "--data", own_shop)
    assert (code, err.startswith(TOO_MANY.format("settings.toml"))) == (1, True)


def test_search_for_a_person_explains_too_many_open_files(own_shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), "part-0.parquet")

    monkeypatch.setattr("session_pipeline.run.held.connection_about", refuse)
    code, _, err = call("erase", "--data", own_shop, "--visitor", "v1")
    assert (code, err.startswith(TOO_MANY.format("part-0.parquet"))) == (1, True), err


@pytest.mark.long
def test_run_explains_too_many_open_files_within_dagster(own_shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def tags_of(*_: object) -> dict[str, str]:
        if calls.pop():
            return {}
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), "/proc/1/stat")

    calls = [False, True]  # within the run, and before it
    monkeypatch.setattr("session_pipeline.defs.dead_runs.signature", tags_of)
    deliver_one_more_line(own_shop)
    code, _, err = call("run", "--data", own_shop)
    assert (code, err.startswith(TOO_MANY.format("/proc/1/stat"))) == (1, True), err
    assert not calls

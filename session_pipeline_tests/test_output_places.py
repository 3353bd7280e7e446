"""Tests where files that a user names are written: through links, into pipes and devices, and what is refused."""

import os
import stat
import subprocess
import threading
from pathlib import Path

import duckdb
import pytest

from session_pipeline.cli.output import destination
from session_pipeline.errors import StoreError, WrongUseError
from session_pipeline.store.files import make_folder, replacing
from session_pipeline_tests.deployment import WITHOUT_PRIVILEGES, Deployment
from session_pipeline_tests.output_commands import EVENTS, PROGRAM, call


@pytest.fixture
def data(published_controls: Path) -> Path:
    return published_controls


def csv_to(path: Path, data: Path) -> int:
    return call("query", "select 1 as a", "-f", "csv", "-o", path, "--data", data)[0]


@pytest.mark.long
def test_output_goes_through_links(data: Path, tmp_path: Path) -> None:
    target, link, dangling = tmp_path / "target", tmp_path / "link", tmp_path / "dangling"
    target.write_text("old")
    target.chmod(0o600)
    link.symlink_to("target")
    dangling.symlink_to("new")
    assert (csv_to(link, data), csv_to(dangling, data)) == (0, 0)
    assert link.is_symlink()
    assert dangling.is_symlink()
    assert (target.read_text(), (tmp_path / "new").read_text()) == ("a\n1\n", "a\n1\n")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangling", "link", "new", "target"]


@pytest.mark.parametrize("form", ["csv", "json", "markdown", "parquet"])
def test_output_goes_into_a_pipe(data: Path, tmp_path: Path, form: str) -> None:
    pipe, plain = tmp_path / "pipe", tmp_path / "plain"
    os.mkfifo(pipe)
    received = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    assert call("query", "select 1 as a", "-f", form, "-o", pipe, "--data", data)[0] == 0
    reader.join(20)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert call("query", "select 1 as a", "-f", form, "-o", plain, "--data", data)[0] == 0
    assert received == [plain.read_bytes()]


@pytest.mark.long
def test_export_goes_through_links_and_into_pipes(data: Path, tmp_path: Path) -> None:
    link, pipe, copy = tmp_path / "link", tmp_path / "pipe", tmp_path / "copy.duckdb"
    link.symlink_to("behind.duckdb")
    assert call("export", link, "--data", data)[0] == 0
    assert link.is_symlink()
    assert call("export", link, "--data", data)[0] == 2
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: copy.write_bytes(pipe.read_bytes()))
    reader.start()
    assert call("export", pipe, "--data", data)[0] == 0
    reader.join(20)
    for file in (link, copy):
        with duckdb.connect(str(file), read_only=True) as connection:
            assert connection.sql("select count(*) from events").fetchall() == [(2,)]


def test_output_goes_into_a_device(tmp_path: Path) -> None:
    """A pseudo-terminal is a device that a test may write to."""
    controller, device = os.openpty()
    name = Path(os.ttyname(device))
    before = name.stat()
    with destination(name) as temporary:
        temporary.write_text("written")
    assert os.read(controller, 100) == b"written"
    assert (name.stat().st_ino, name.stat().st_rdev) == (before.st_ino, before.st_rdev)
    os.close(controller)
    os.close(device)


def test_output_continues_at_the_position_of_an_open_descriptor(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        file.write("before ")
        file.flush()
        link = tmp_path / "link"
        link.symlink_to(f"/dev/fd/{file.fileno()}")
        with destination(link) as temporary:
            temporary.write_text("written")
    assert (tmp_path / "log").read_text() == "before written"


def test_failed_output_leaves_the_old_file(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    assert call("query", "select error('no') as a", "-f", "csv", "-o", file, "--data", data)[0] == 1
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


def test_own_files_of_the_data_folder_are_not_written(data: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(data / "settings.toml")
    settings = (data / "settings.toml").read_bytes()
    own = ("settings.toml", "warehouse.duckdb", "visitor_key", "raw/test/new.csv", "store/x", "reports/latest.html")
    for path in (tmp_path / "link", *(data / name for name in own)):
        for command in (("query", "select 1", "-f", "csv", "-o", path), ("export", path)):
            code, _, err = call(*command, "--data", data)
            assert (code, "belongs to the data folder" in err) == (2, True), command
    assert (data / "settings.toml").read_bytes() == settings
    assert csv_to(data / "rows.csv", data) == 0


def test_unwritable_path_is_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(WrongUseError, match="is a folder; name a file in it"), destination(tmp_path):
        pass
    code, _, err = call("query", "select 1", "-f", "csv", "-o", tmp_path / "no" / "file", "--data", data)
    assert (code, err) == (1, f"Error: {tmp_path}/no/file: No such file or directory; fix that and try again\n")


@pytest.mark.long
def test_published_files_may_be_links(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    deployment.folder.warehouse.symlink_to(elsewhere / "w.duckdb")
    for name in ("first", "second"):
        deployment.deliver(name, [{**EVENTS[0], "event_id": name}])
        deployment.run()
        assert deployment.folder.warehouse.is_symlink()
        with duckdb.connect(str(elsewhere / "w.duckdb"), read_only=True) as connection:
            counts = connection.sql("select count(*) from events").fetchall()
    assert counts == [(2,)]
    link = tmp_path / "link"
    link.symlink_to("elsewhere/page")
    with replacing(link) as temporary:
        temporary.write_text("page")
    assert (link.is_symlink(), (elsewhere / "page").read_text()) == (True, "page")


def test_folder_that_cannot_be_created_is_explained(tmp_path: Path) -> None:
    (tmp_path / "lake").symlink_to(tmp_path / "gone")
    with pytest.raises(StoreError, match=r"/lake is a link to .*/gone, which is not a folder; create that folder"):
        make_folder(tmp_path / "lake" / "sessions")
    (tmp_path / "reports").write_text("")
    with pytest.raises(StoreError, match="/reports is not a folder; move it elsewhere"):
        make_folder(tmp_path / "reports")


@pytest.mark.long
def test_lake_as_a_dangling_link_is_explained(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data")
    deployment.deliver("events", EVENTS)
    deployment.folder.lake.symlink_to("nowhere")
    with pytest.raises(StoreError, match="is a link to"):
        deployment.run()


@pytest.mark.long
def test_unwritable_report_is_explained(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    subprocess.run(["cp", "-a", data, folder], check=True)
    (folder / "reports").mkdir()
    (folder / "reports").chmod(0o500)
    command = [*WITHOUT_PRIVILEGES, *PROGRAM, "report", "--data", str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"Error: {folder}/reports/2024-03-05.html cannot be written (Permission denied); make")
    assert ran.stderr.count("\n") == 1

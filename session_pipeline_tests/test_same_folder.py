"""Tests that a daemon or webserver with the history of one data folder does not work on another."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from session_pipeline.data_folder import DataFolder
from session_pipeline.defs import home, sensors
from session_pipeline.defs.local_runs import instance_of
from session_pipeline.defs.same_folder import require_own_history
from session_pipeline.errors import DamagedHistoryError, OtherHistoryError
from session_pipeline_tests.orchestration import Orchestrated, failures, instance_in, orchestrated


@pytest.fixture
def mixed(tmp_path: Path) -> Iterator[Orchestrated]:
    """A deployment whose instance is that of another data folder."""
    with orchestrated(tmp_path / "data") as deployment, instance_in(DataFolder(tmp_path / "other")) as other:
        deployment.instance = other
        DataFolder(tmp_path / "other").settings.touch()
        yield deployment


def refusal(mixed: Orchestrated) -> str:
    other, own = mixed.folder.path.with_name("other"), mixed.folder.path
    return (
        f"DAGSTER_HOME is {other}/dagster_home, but SESSION_PIPELINE_DATA is {own}, whose history of runs is in"
        f" {own}/dagster_home; set both variables for the same data folder, and restart the process"
    )


@pytest.mark.parametrize("name", ["landing", "stale_days", "alerts"])
def test_sensors_skip_in_the_history_of_another_folder(mixed: Orchestrated, name: str) -> None:
    definitions = mixed.definitions()
    with dg.build_sensor_context(instance=mixed.instance, definitions=definitions) as context:
        skipped = definitions.resolve_sensor_def(name).evaluate_tick(context)
    assert (skipped.run_requests, skipped.skip_message) == ([], refusal(mixed))


@pytest.mark.parametrize("name", ["landing", "stale_days", "alerts"])
def test_sensors_fail_if_their_history_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A skip would hide it: no tick fails, and nobody looks."""

    def damaged(*_: object) -> None:
        raise DamagedHistoryError("damaged")

    monkeypatch.setattr(sensors, "require_own_history", damaged)
    with orchestrated(tmp_path / "data") as deployment:
        definitions = deployment.definitions()
        with (
            dg.build_sensor_context(instance=deployment.instance, definitions=definitions) as context,
            pytest.raises(DamagedHistoryError),
        ):
            definitions.resolve_sensor_def(name).evaluate_tick(context)


def test_run_fails_in_the_history_of_another_folder(mixed: Orchestrated) -> None:
    result = mixed.ingest()
    assert not result.success
    assert refusal(mixed) in failures(result)[0]


def test_links_and_relative_paths_name_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "data")
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    folders = [DataFolder(tmp_path / "data"), DataFolder(tmp_path / "link"), DataFolder(Path("data"))]
    with instance_in(folders[0]):
        pass
    for opened in folders:
        with instance_of(opened) as instance:
            for folder in folders:
                require_own_history(instance, folder)
            require_own_history(instance, DataFolder(tmp_path))
    folders[0].settings.touch()
    for opened in folders:
        with instance_of(opened) as instance, pytest.raises(OtherHistoryError, match="set both variables"):
            require_own_history(instance, DataFolder(tmp_path))


def test_folder_that_is_mounted_twice_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if other were another mount of data: its paths do not resolve to those of data, but are the same files."""
    mounted, folder = DataFolder(tmp_path / "other"), DataFolder(tmp_path / "data")
    for each in (mounted, folder):
        each.path.mkdir()
        each.settings.touch()
    with instance_in(mounted) as instance:
        with pytest.raises(OtherHistoryError):
            require_own_history(instance, folder)

        def is_same(first: Path, second: Path) -> bool:
            return {*map(Path, (first, second))} == {mounted.dagster_home, folder.dagster_home}

        monkeypatch.setattr("os.path.samefile", is_same)
        require_own_history(instance, folder)
    home.settings_of(folder).unlink(missing_ok=True)
    folder.dagster_home.mkdir(exist_ok=True)
    with pytest.warns(UserWarning, match="was missing"):
        home.write_missing_settings(folder, str(mounted.dagster_home))


def test_storage_that_a_user_chose_can_be_anywhere(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    home.prepare(folder)
    with home.settings_of(folder).open("w") as settings:
        settings.write(
            "event_log_storage:\n  module: dagster._core.storage.event_log\n  class: SqliteEventLogStorage\n"
            f"  config:\n    base_dir: {tmp_path}/elsewhere\n"
        )
    with instance_of(folder) as instance:
        require_own_history(instance, DataFolder(tmp_path / "other"))

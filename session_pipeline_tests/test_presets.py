"""Tests that the example files of all presets tell the same story, and that variants of them are read as well."""

from collections.abc import Mapping

import pytest

from session_pipeline.settings import packaged_names
from session_pipeline_tests.presets.reading import FileResult, examples, read_files
from session_pipeline_tests.presets.story import events_of, sessions_of

FILES = {f"{path.parent.name}-{path.name}": path for path in examples()}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, FileResult]:
    files = {source: (path.parent.name, path) for source, path in FILES.items()}
    return read_files(tmp_path_factory.mktemp("presets"), files)


def test_every_preset_has_an_example() -> None:
    assert sorted({path.parent.name for path in FILES.values()}) == sorted(packaged_names())


@pytest.mark.parametrize("source", FILES)
def test_every_preset_tells_the_same_story(source: str, results: Mapping[str, FileResult]) -> None:
    preset, found = FILES[source].parent.name, results[source]
    assert found.quarantined == []
    assert found.events == events_of(preset)
    assert found.sessions == sessions_of(preset)


@pytest.mark.parametrize("source", FILES)
def test_examples_are_short(source: str, results: Mapping[str, FileResult]) -> None:
    assert FILES[source].read_bytes().count(b"\n") <= 60
    assert sum(results[source].names.values()) == results[source].facts["accepted_count"]


@pytest.fixture(scope="module")
def recognized(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, FileResult]:
    return read_files(tmp_path_factory.mktemp("recognized"), {source: (None, path) for source, path in FILES.items()})


# Single lines of a log can have these formats, so the reason of quarantined lines names the format.
OF_LINES = ("nginx_main", "vhost_combined")


@pytest.mark.long
@pytest.mark.parametrize("source", [source for source, path in FILES.items() if path.parent.name not in OF_LINES])
def test_preset_is_recognized_from_the_file(source: str, recognized: Mapping[str, FileResult]) -> None:
    preset, found = FILES[source].parent.name, recognized[source]
    assert found.facts["preset"] == preset
    assert found.events == events_of(preset)
    assert found.sessions == sessions_of(preset)

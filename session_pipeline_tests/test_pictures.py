"""Tests that the pictures of the README are small, and show the present report and UI."""

import json

import pytest

from session_pipeline.publish import warehouse
from session_pipeline.reference.signals import USES, SignalUse
from session_pipeline.settings import load_settings
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.pictures import HASHES, IMAGES, MOST_BYTES, REPORT, ROOT, UI, report_text, shown

AGAIN = "the pictures are out of date; make them again: python -m session_pipeline_tests.pictures"


@pytest.mark.parametrize("name", [REPORT, UI])
def test_picture_shows_the_present_state(name: str, sample_deployment: Deployment) -> None:
    assert json.loads(HASHES.read_text())[name] == shown(sample_deployment.folder)[name], AGAIN


@pytest.mark.long
def test_changes_of_modules_and_settings_are_seen(
    sample_deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = sample_deployment.folder
    settings = load_settings(folder.path)
    with warehouse.connect(folder.warehouse, folder.store) as connection:
        before = report_text(connection, settings, folder)
        elsewhere = report_text(connection, settings.model_copy(update={"timezone": "Etc/UTC"}), folder)
        monkeypatch.setitem(USES, "error", SignalUse("had bad luck"))
        reworded = report_text(connection, settings, folder)
    assert before.replace("(UTC)", "(Etc/UTC)") == elsewhere != before
    assert before.replace("saw an error", "had bad luck") == reworded != before


@pytest.mark.parametrize("name", [REPORT, UI])
def test_picture_is_a_small_png_at_the_top_of_the_readme(name: str) -> None:
    picture = (IMAGES / name).read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < MOST_BYTES
    assert f"](docs/images/{name})" in (ROOT / "README.md").read_text(encoding="utf-8")[:800]

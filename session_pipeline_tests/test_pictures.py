"""Tests that the pictures of the README are small, and show the present report and UI."""

import json

import pytest

from session_pipeline_tests.pictures import HASHES, IMAGES, MOST_BYTES, REPORT, ROOT, UI, shown

AGAIN = "the pictures are out of date; make them again: python -m session_pipeline_tests.pictures"


@pytest.mark.parametrize("name", [REPORT, UI])
def test_picture_shows_the_present_state(name: str) -> None:
    assert json.loads(HASHES.read_text())[name] == shown()[name], AGAIN


@pytest.mark.parametrize("name", [REPORT, UI])
def test_picture_is_a_small_png_at_the_top_of_the_readme(name: str) -> None:
    picture = (IMAGES / name).read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < MOST_BYTES
    assert f"](docs/images/{name})" in (ROOT / "README.md").read_text(encoding="utf-8")[:800]

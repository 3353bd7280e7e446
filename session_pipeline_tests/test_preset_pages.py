"""Tests docs/sources/: a page for each preset, whose settings are valid and whose tables are those of the preset."""

import re
import tomllib
from pathlib import Path

import pytest

from session_pipeline.settings import Preset, packaged_names, packaged_preset, parse_settings
from session_pipeline_tests.presets import pages
from session_pipeline_tests.presets.pages import END, PAGES, START, page_of, with_generated_part

BLOCK = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", packaged_names())
def test_preset_has_a_page_with_its_tables(name: str) -> None:
    page = page_of(name)
    assert page == with_generated_part(page, packaged_preset(name)), (
        "run python -m session_pipeline_tests.presets.pages"
    )
    assert f'preset = "{name}"' in page


@pytest.mark.parametrize("page", [None, "# A new source\n"], ids=["missing", "no generated part"])
def test_a_page_without_generated_part_is_named(
    page: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pages, "PAGES", tmp_path)
    monkeypatch.setattr(pages, "packaged_names", lambda: ["new"])
    if page:
        (tmp_path / "new.md").write_text(page)
    with pytest.raises(SystemExit, match=f"{tmp_path}/new.md has no generated part") as ended:
        pages.main()
    assert f"{START}\n{END}" in str(ended.value)


def test_overview_links_every_page() -> None:
    overview = (PAGES / "README.md").read_text(encoding="utf-8")
    linked = re.findall(r"\(([a-z0-9_]+)\.md\)", overview)
    assert sorted(linked) == sorted(packaged_names()) == sorted(path.stem for path in PAGES.glob("[a-z]*.md"))


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: str(page.stem))
def test_settings_of_the_pages_are_valid(page: Path, tmp_path: Path) -> None:
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        if block.startswith("# presets/"):
            (tmp_path / "presets").mkdir()
            (tmp_path / "presets" / "shop.toml").write_text(block)
            found = parse_settings("[sources.web]\npreset = 'shop'", folder=tmp_path).source("web")
            assert found.event_names["view"] == "page_view"
        else:
            assert parse_settings(block).source("web").preset is not None


def test_useful_expressions_are_valid() -> None:
    overview = (PAGES / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| a .* \| `(.*)` \|$", overview, re.MULTILINE)
    assert len(rows) == 7
    for row in rows:
        expression = tomllib.loads('e = "{}"'.format(row.replace("\\|", "|")))["e"]
        Preset.model_validate({"about": "", "expressions": {"page_url": expression}})

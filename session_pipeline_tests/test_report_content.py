"""Tests that the templates of the report read what their records have, also in parts that no other test renders."""

from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

import pytest
from jinja2 import meta, nodes

from session_pipeline.report.content import Content, VisitContent
from session_pipeline.report.page import TEMPLATES, templates

FILES = sorted(path.name for path in TEMPLATES.glob("*.html"))
OF_PAGE = {"find_long_names", "long_names", "more_long_names"}  # page.html makes them
OF_CHARTS = {("outcomes", "image"), ("days", "image")}  # images for other places than the page
RECORDS = {**get_type_hints(Content), **get_type_hints(VisitContent)}


def parsed(file: str) -> nodes.Template:
    return templates().parse((TEMPLATES / file).read_text(encoding="utf-8"))


def attributes_read(file: str) -> set[tuple[str, str]]:
    """Return the attributes of names that a template reads, as (name, attribute)."""
    found = parsed(file).find_all(nodes.Getattr)
    return {(each.node.name, each.attr) for each in found if isinstance(each.node, nodes.Name)}


def record(name: str) -> Any:
    """Return the dataclass of a name in the templates; None for rows and texts."""
    types = [RECORDS.get(name), *get_args(RECORDS.get(name))]
    return next((each for each in types if isinstance(each, type) and is_dataclass(each)), None)


def test_content_of_visits_hides_no_other_content() -> None:
    assert get_type_hints(Content).keys().isdisjoint(get_type_hints(VisitContent))


@pytest.mark.parametrize("file", FILES)
def test_template_reads_what_its_records_have(file: str) -> None:
    own = {each.target.name for each in parsed(file).find_all(nodes.Assign) if isinstance(each.target, nodes.Name)}
    assert meta.find_undeclared_variables(parsed(file)) - own <= {*RECORDS, *OF_PAGE}
    unknown = {
        (name, attribute)
        for name, attribute in attributes_read(file)
        if (kind := record(name))
        and attribute not in {each.name for each in fields(kind)}
        and not hasattr(kind, attribute)
    }
    assert unknown == set()


def test_each_field_of_a_record_of_a_section_is_read() -> None:
    written = {
        (name, each.name)
        for name, kind in RECORDS.items()
        if kind.__module__ == Content.__module__
        for each in fields(kind)
    }
    read = {pair for file in FILES for pair in attributes_read(file)}
    assert written - read == OF_CHARTS

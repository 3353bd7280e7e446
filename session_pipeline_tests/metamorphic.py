"""Builds groups of generated cases as they are delivered, and compares the result with that of other deliveries."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.oracles.equivalent_deliveries import (
    File,
    deliver,
    differences,
    files_of,
    rows_of,
    without,
    without_rivals,
)
from session_pipeline_tests.oracles.generated_cases import Group, group
from session_pipeline_tests.reliability.figures import effort, record

SEEDS = range(1, 1 + effort())

reliability = pytest.mark.reliability
each_group = pytest.mark.parametrize("seed", SEEDS)


class BuiltGroups:
    """Groups of cases as generated, and their result: run once. Tests must not write to them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.delivered = cache(self._delivered)
        self.plain = cache(self._plain)
        self.rows = cache(rows_of)

    def _delivered(self, seed: int) -> Deployment:
        return run(self._folder / f"delivered-{seed}", group(seed), files_of(group(seed)))

    def _plain(self, seed: int) -> Deployment:
        return run(self._folder / f"plain-{seed}", group(seed), plain_files(seed))


@cache
def plain_files(seed: int) -> list[File]:
    return without_rivals(files_of(group(seed)))


def run(
    folder: Path,
    cases: Group,
    files: Iterable[File],
    writer: str = "as_json_lines",
    *,
    more: Mapping[str, Any] | None = None,
    until: date | None = None,
) -> Deployment:
    deployment = Deployment(folder, settings_of(cases) | (more or {}))
    for file in files:
        deliver(deployment, file, writer)
    deployment.run(until or cases.until, publishes=False)
    return deployment


def settings_of(cases: Group) -> dict[str, Any]:
    return {
        **cases.settings,
        "dimensions": {"variant": "properties ->> 'variant'"},
        "funnels": [*cases.settings["funnels"][:-1], cases.settings["funnels"][-1] | {"breakdown": "variant"}],
    }


def assert_equal_bytes(deployment: Deployment, other: Deployment) -> None:
    hashes, others = deployment.hashes(), other.hashes()
    assert {key for key in hashes.keys() | others.keys() if hashes.get(key) != others.get(key)} == set()
    record(metamorphic_comparisons=1)


def assert_same_rows(rows: Mapping[str, Any], others: Mapping[str, Any], but: Collection[str] = ()) -> None:
    assert any(rows["sessions"])
    assert differences(without(rows, but), without(others, but)) == {}
    record(metamorphic_comparisons=1)

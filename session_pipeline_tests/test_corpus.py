"""Tests that every corpus file gives the expected result, alone and together with all others, and the ledger closes."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import groupby
from pathlib import Path

import pytest

from session_pipeline.checks import ledger_closes
from session_pipeline.run.pipeline import open_run
from session_pipeline_tests.corpus import CORPUS
from session_pipeline_tests.corpus.inputs import EVENT, Input
from session_pipeline_tests.corpus.results import UNTIL, Result, ingest_all, put
from session_pipeline_tests.deployment import Deployment

pytestmark = pytest.mark.long  # further cases of what the usual tests cover


def test_corpus_is_large_and_without_repetitions() -> None:
    assert len(CORPUS) >= 120
    assert [what for what, count in Counter(given.what for given in CORPUS).items() if count > 1] == []


GOOD = "good"  # the source of a good file


# Files of one source and format are read by one query; each file is the only one of its source in the nightly tests.
@pytest.fixture(scope="module", params=["in one source", pytest.param("alone", marks=pytest.mark.nightly)])
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Result]:
    """The result of each file, by what is special about it."""
    found: dict[str, Result] = {}
    for number, (_, group) in enumerate(groupby(sorted(CORPUS, key=settings_of), settings_of)):
        inputs = placed(list(group), is_alone=request.param == "alone")
        deployment = Deployment(tmp_path_factory.mktemp("corpus") / str(number), next(iter(inputs.values())).settings)
        for place, given in inputs.items():
            put(deployment, given, place=place)
        good = deployment.folder.raw / GOOD / "0" / "good.jsonl"
        good.parent.mkdir(parents=True)
        good.write_text(json.dumps(EVENT) + "\n")
        for result in ingest_all(deployment):
            place = "/".join(str(result.facts["path"]).split("/")[:2])
            found[inputs[place].what if place != f"{GOOD}/0" else f"{GOOD} {number}"] = result
    return found


def settings_of(given: Input) -> str:
    return repr(given.settings)


def placed(group: Sequence[Input], *, is_alone: bool) -> dict[str, Input]:
    """Return files of the same settings by their folders: source/number. Settings are those of the source web.

    Files of the same content are in different sources, where they are no redeliveries.
    """
    copies: Counter[bytes | str] = Counter()
    places = {}
    for number, given in enumerate(group):
        content = given.plain if given.status == "accepted" else given.what
        source = number if is_alone else copies[content]
        copies[content] += 1
        places[f"web{source or ''}/{number}"] = given
    return places


def test_good_files_are_accepted_next_to_all_others(results: Mapping[str, Result]) -> None:
    good = [result for what, result in results.items() if what.startswith(f"{GOOD} ")]
    assert len(good) == len({settings_of(given) for given in CORPUS})
    for result in good:
        assert (result.facts["status"], result.facts["accepted_count"], result.raw_count) == ("accepted", 1, 1)


@pytest.mark.parametrize("given", CORPUS, ids=lambda given: given.what)
def test_file_is_read_as_expected_next_to_others(given: Input, results: Mapping[str, Result]) -> None:
    result = results[given.what]
    assert result.facts["status"] == given.status, result
    if given.status != "accepted":
        assert given.reason in result.facts["reason"]
    counts = {name: result.facts[f"{name}_count"] for name in ("line", "accepted", "set_aside", "blank_line")}
    assert counts == {
        "line": given.line_count,
        "accepted": given.accepted,
        "set_aside": len(given.set_aside),
        "blank_line": given.blank,
    }
    assert result.set_aside == given.set_aside
    assert result.raw_count == given.accepted


def test_corpus_delivered_at_once_is_counted_completely(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data")  # all tables, which must accept whatever the files contain
    usual = [given for given in CORPUS if not given.settings]
    for number, given in enumerate(usual):
        put(deployment, given, place=f"web/{number:03}")
    deployment.run(UNTIL)
    ledger = deployment.table("source_files")
    contents = {given.plain if given.status == "accepted" else given.what: given for given in usual}
    assert dict(Counter(ledger["status"])) == dict(Counter(given.status for given in contents.values()))
    events, copies = deployment.table("events"), deployment.table("duplicate_events")
    accepted = sum(ledger["accepted_count"])
    with open_run(deployment.folder, run_id="test", until=UNTIL) as run:
        verdict = ledger_closes(run, [date(2026, 10, 5)])
    assert verdict.holds, verdict.sentence
    assert accepted == len(events) + len(copies) + verdict.figures["waiting"]
    assert deployment.run(UNTIL) == []

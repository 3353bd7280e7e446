"""Compares the committed sample: the ground truth of its generator and the results of the pipeline must be the same."""

import csv
import gzip
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.sample import SMALL, write_sample
from session_pipeline_tests.deployment import Deployment

DATA = Path(__file__).parents[1] / "data"


def truth(name: str) -> list[dict[str, Any]]:
    path = DATA / "truth" / name
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", newline="") as lines:
        return list(csv.DictReader(lines))


def sessions_by_number(deployment: Deployment) -> dict[str, str]:
    """Return, for each session number of the truth, the id of the one session that has its events."""
    events = deployment.table("events")
    found = {
        event: (session, number)
        for event, session, number in zip(events["event_id"], events["session_id"], events["event_number"], strict=True)
    }
    ids: dict[str, set[str]] = defaultdict(set)
    for row in truth("events.csv.gz"):
        session, number = found.pop(row["event_id"])
        assert number == int(row["event_number"]), row
        ids[row["session_number"]].add(session)
    assert not found, "events that the truth does not know"
    assert all(len(sessions) == 1 for sessions in ids.values())
    return {number: sessions.pop() for number, sessions in ids.items()}


def test_every_event_has_the_true_session_and_number(sample_deployment: Deployment) -> None:
    ids = sessions_by_number(sample_deployment)
    assert len(set(ids.values())) == len(ids) == len(sample_deployment.table("sessions"))


def test_every_session_has_the_true_outcome_and_figures(sample_deployment: Deployment) -> None:
    ids = sessions_by_number(sample_deployment)
    sessions = sample_deployment.table("sessions").set_index("session_id").to_dict("index")
    outcomes = sample_deployment.table("session_outcomes").set_index("session_id").to_dict("index")
    for row in truth("sessions.csv.gz"):
        session, outcome = sessions[ids[row["session_number"]]], outcomes[ids[row["session_number"]]]
        assert outcome["outcome"] == row["outcome"], row
        assert outcome["value"] == (Decimal(row["value"]) if row["value"] else None), row
        assert session["visitor_id"] == row["visitor_id"]
        assert f"{session['started_at']:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z" == row["started_at"]
        assert f"{session['ended_at']:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z" == row["ended_at"]
        assert session["event_count"] == int(row["event_count"])
        assert session["page_view_count"] == int(row["page_view_count"])
        assert session["is_bot"] == (row["is_bot"] == "true")
        assert (session["landing_page"] or "") == row["landing_page"]
        assert session["is_complete"]


def test_every_line_is_accounted_for(sample_deployment: Deployment) -> None:
    files = sample_deployment.table("source_files")
    found = {
        Path(file["path"]).name: (file["line_count"], file["accepted_count"], file["set_aside_count"])
        for file in files.to_dict("records")
    }
    assert found == {
        row["name"]: (int(row["lines"]), int(row["accepted"]), int(row["set_aside"])) for row in truth("files.csv")
    }


@pytest.mark.long
def test_committed_sample_equals_the_generator_output(tmp_path: Path) -> None:
    write_sample(tmp_path / "raw", truth_folder=tmp_path / "truth", **SMALL)
    for folder, committed in ((tmp_path / "raw", DATA / "raw" / "sample"), (tmp_path / "truth", DATA / "truth")):
        assert {path.name for path in folder.iterdir()} == {path.name for path in committed.iterdir()}
        for path in folder.iterdir():
            # Compare the text, not the gzip bytes, which depend on the build of zlib.
            assert text_of(path) == text_of(committed / path.name), path.name


def text_of(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()

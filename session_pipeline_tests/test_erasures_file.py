"""Tests the recorded erasures: which ids they recognize, and the file that keeps them as hashes."""

import json
from datetime import date
from pathlib import Path

import pytest

from session_pipeline.errors import SessionPipelineError
from session_pipeline.ingest.erasing.erasures import Erasures, Unfinished, load_erasures
from session_pipeline.ingest.mapping.visitors import PROPERTY_PURPOSE, USER_PURPOSE, VisitorKey

KEY = VisitorKey(b"k" * 32)
NONE = Erasures(key=KEY)
LEFT = Unfinished(
    ids=("ann", "s1"),
    visitors=(("main", "ann"),),
    users=(("main", "u1"),),
    session_ids=("s1",),
    days=(("main", date(2026, 10, 5)),),
    former_ids=(("main", "hash"),),
)


def test_ids_are_recognized_by_kind_and_site() -> None:
    erasures = NONE.with_visitor("main", "ann").with_visitor(None, "bob").with_user("second", "ann")
    ids = ["ann", "bob", "cid"]
    assert erasures.erased("visitor", "main", ids) == ["ann", "bob"]
    assert erasures.erased("visitor", "second", ids) == ["bob"]
    assert erasures.erased("user", "main", ids) == []
    assert erasures.erased("user", "second", ids) == ["ann"]
    assert erasures.kinds("main") == {"visitor"}
    assert erasures.kinds("second") == {"visitor", "user"}


def test_sites_without_an_erasure_have_no_kinds() -> None:
    assert NONE.with_visitor("main", "ann").kinds("second") == set()


def test_user_is_recognized_in_each_form_that_settings_store() -> None:
    keyed, former = KEY.keyed(USER_PURPOSE, "ann"), KEY.keyed(PROPERTY_PURPOSE, "ann")
    ids = ["ann", keyed, former, KEY.keyed(USER_PURPOSE, "bob")]
    assert NONE.with_user("main", "ann").erased("user", "main", ids) == ["ann", keyed, former]
    # Erased by its stored form, a user is recognized by its plain id as well.
    assert NONE.with_user("main", keyed).erased("user", "main", ["ann", keyed, "bob"]) == ["ann", keyed]


def test_visitor_is_recognized_as_a_hashed_former_id() -> None:
    former = KEY.keyed(PROPERTY_PURPOSE, "ann")
    found = NONE.with_visitor("main", "ann").erased("visitor", "main", ["ann", former, KEY.keyed(USER_PURPOSE, "ann")])
    assert found == ["ann", former]
    keyed = KEY.keyed(USER_PURPOSE, "ann")
    assert NONE.with_visitor("main", keyed).erased("visitor", "main", ["ann", keyed]) == [keyed]


def test_two_unfinished_erasures_are_finished_together() -> None:
    other = Unfinished(ids=("ann", "bob"), visitors=(("main", "bob"),), days=(("main", date(2026, 10, 4)),))
    both = LEFT.with_others(other)
    assert both == other.with_others(LEFT)
    assert both.ids == ("ann", "bob", "s1")
    assert both.visitors == (("main", "ann"), ("main", "bob"))
    assert both.days == (("main", date(2026, 10, 4)), ("main", date(2026, 10, 5)))
    assert (both.users, both.session_ids, both.former_ids) == (LEFT.users, LEFT.session_ids, LEFT.former_ids)


@pytest.mark.parametrize("unfinished", [None, LEFT], ids=["finished", "unfinished"])
def test_file_gives_back_what_was_recorded(tmp_path: Path, unfinished: Unfinished | None) -> None:
    path = tmp_path / "erasures.json"
    erasures = Erasures(NONE.with_visitor(None, "ann").with_user("main", "u1").entries, KEY, unfinished)
    erasures.save(path)
    assert load_erasures(path, KEY) == erasures
    assert path.stat().st_mode & 0o777 == 0o600
    assert ("ann" in path.read_text()) is (unfinished is not None)
    assert [path.name for path in tmp_path.iterdir()] == ["erasures.json"]


def test_ids_of_an_older_version_get_their_kinds(tmp_path: Path) -> None:
    path = tmp_path / "erasures.json"
    Erasures(NONE.with_visitor("main", "ann").with_user("main", "u1").entries, KEY, LEFT).save(path)
    found = json.loads(path.read_text())
    found["unfinished"] = {"ids": ["ann", "u1", "s1"], "visitors": [["main", "ann"]], "days": [["main", "2026-10-05"]]}
    path.write_text(json.dumps(found))
    left = load_erasures(path, KEY).unfinished
    assert left is not None
    assert (left.visitors, left.users) == ((("main", "ann"),), (("main", "u1"),))
    assert (left.session_ids, left.days) == (("ann", "s1", "u1"), LEFT.days)


def test_without_a_file_nothing_is_erased(tmp_path: Path) -> None:
    assert load_erasures(tmp_path / "erasures.json", KEY) == NONE
    assert load_erasures(tmp_path / "erasures.json", None) == Erasures()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"format": 2, "visitor_key": null, "erasures": [], "unfinished": null}']
)
def test_unreadable_file_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "erasures.json"
    path.write_text(text)
    with pytest.raises(SessionPipelineError, match="is not a list of erasures of this version; restore it"):
        load_erasures(path, KEY)


@pytest.mark.parametrize("key", [None, VisitorKey(b"other key")], ids=["no key", "another key"])
def test_file_needs_the_key_that_it_was_written_with(tmp_path: Path, key: VisitorKey | None) -> None:
    path = tmp_path / "erasures.json"
    NONE.with_visitor(None, "ann").save(path)
    with pytest.raises(SessionPipelineError, match=r"belongs to another visitor_key; restore .*visitor_key"):
        load_erasures(path, key)
    NONE.save(path)  # without an erasure no key is needed
    assert load_erasures(path, key) == Erasures(key=key)

"""Tests which rows and lines an erasure finds, and that they are erased and left out however a file is read."""

import json
import shutil
from datetime import date
from pathlib import Path
from unittest.mock import Mock

import pyarrow as pa
import pytest

from session_pipeline.engines.parquet_files import ROW_GROUP_ROWS
from session_pipeline.errors import SessionPipelineError, StoreError
from session_pipeline.ingest import deliveries
from session_pipeline.ingest.erasing import erased_rows
from session_pipeline.ingest.erasing.erase_frozen import without_former_ids
from session_pipeline.ingest.erasing.erasures import Unfinished, unfinished_in
from session_pipeline.ingest.reading import small_files
from session_pipeline.run import erasure
from session_pipeline.run.held import find_held, held_tables
from session_pipeline.run.person import Person
from session_pipeline.run.pipeline import open_folder
from session_pipeline_tests.deployment import Deployment, damage
from session_pipeline_tests.erasures import BAD, CANARY, CANARY_USER, SETTINGS, UNTIL, begin, deliver, event

pytestmark = pytest.mark.long  # further cases of what the usual tests cover


def test_without_erasures_nothing_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (deliveries, "erase_stored"),
        (deliveries, "all_without_erased"),
        (erasure, "remove_from_logs"),
    ):
        monkeypatch.setattr(module, name, Mock(side_effect=AssertionError))
    deployment = Deployment(tmp_path / "data", SETTINGS, only=("raw_events",))
    deployment.deliver("a", [event("ada", 6, 1)])
    deployment.run(UNTIL)
    assert len(deployment.table("raw_events")) == 1
    assert not deployment.folder.erasures.exists()


@pytest.mark.parametrize("row_group", [2, ROW_GROUP_ROWS])
def test_large_files_are_erased_alike(row_group: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_files, "LARGEST_SMALL_BYTES", 0)
    monkeypatch.setattr(erased_rows, "ROW_GROUP_ROWS", row_group)
    later, before = (Deployment(tmp_path / name, SETTINGS, only=("raw_events",)) for name in ("later", "before"))
    deliver(later)
    later.run(UNTIL)
    # One after the other, or both at once.
    begin(later, Person(CANARY, None, None))
    later.run(UNTIL)
    begin(later, Person("bob", None, None))
    later.run(UNTIL)
    deliver(before)
    for path in (later.folder.erasures, later.folder.visitor_key):
        shutil.copyfile(path, before.folder.path / path.name)
    before.run(UNTIL)
    assert set(later.table("raw_events")["visitor_id"]) == {"ada"}
    assert later.hashes() == before.hashes()


def test_user_is_erased_with_visitors_of_its_own(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", SETTINGS, only=("events",))
    deployment.deliver(
        "users",
        [
            event("own", 6, 1),
            event("own", 6, 2, user_id=CANARY_USER),
            event("shared", 6, 3),
            event("shared", 6, 4, user_id=CANARY_USER),
            event("shared", 6, 5, user_id="another"),
            event("ada", 6, 6, properties={"invited_by": CANARY_USER}),
        ],
    )
    deployment.deliver("elsewhere", [event("own", 6, 1)], source="other")
    deployment.set({**SETTINGS, "sources": {"other": {"site": "second"}}})
    deployment.run(UNTIL)
    held = begin(deployment, Person(None, CANARY_USER, None))
    assert (held.event_count, held.mention_count) == (3, 1)
    assert held.visitors == (("main", "own"),)
    assert held.shared_visitors == (("main", "shared"),)
    deployment.deliver("late", [event("own", 6, 10), event("new", 6, 11, user_id=CANARY_USER), event("new", 6, 12)])
    deployment.run(UNTIL)
    rows = deployment.table("events")[["site", "visitor_id", "user_id"]]
    assert sorted(map(tuple, rows.fillna("").to_numpy())) == [
        ("main", "ada", ""),
        ("main", "new", ""),
        ("main", "shared", ""),
        ("main", "shared", "another"),
        ("second", "own", ""),
    ]


def test_person_whose_visitor_id_is_its_user_id_is_erased_on_all_devices(tmp_path: Path) -> None:
    deployment = Deployment(
        tmp_path / "data", {**SETTINGS, "identity": {"by": "person"}}, only=("events", "identities", "identity_edges")
    )
    own = [event(CANARY, 6, 1), event(CANARY, 6, 2, user_id=CANARY)]
    shared = [event("shared", 6, minute, user_id=user) for minute, user in ((3, CANARY), (4, "another"))]
    deployment.deliver("a", [*own, *shared])
    deployment.run(UNTIL)
    held = begin(deployment, Person(CANARY, None, None))
    assert (held.users, held.event_count) == ((("main", CANARY),), 3)
    deployment.deliver("late", [event("new", 6, 5, user_id=CANARY)])
    deployment.run(UNTIL)
    assert deployment.table("raw_events")["user_id"].tolist() == ["another"]


@pytest.mark.parametrize(
    ("by", "user_ids"),
    [
        ("visitor", "plain"),
        ("person", "keyed"),
        pytest.param("visitor", "keyed", marks=pytest.mark.nightly),
        pytest.param("person", "plain", marks=pytest.mark.nightly),
    ],
)
def test_user_ids_that_name_nobody_share_no_visitor(by: str, user_ids: str, tmp_path: Path) -> None:
    settings = {**SETTINGS, "identity": {"by": by}, "privacy": {"user_ids": user_ids}}
    deployment = Deployment(tmp_path / "data", settings, only=("events",))
    lines = [event("own", 6, 1, user_id="guest"), event("own", 6, 2), event("own", 6, 3, user_id=CANARY_USER)]
    deployment.deliver("a", [*lines, event("ada", 6, 4, user_id="guest")])
    deployment.run(UNTIL)
    held = begin(deployment, Person(None, CANARY_USER, None))
    assert (held.visitors, held.shared_visitors, held.event_count) == ((("main", "own"),), (), 3)
    deployment.run(UNTIL)
    assert deployment.table("events")["visitor_id"].tolist() == ["ada"]


def test_every_text_that_contains_an_id_is_a_mention(tmp_path: Path) -> None:
    names = ["event_id", "client_session_id", "event_name", "page_title", "search_term", "element", "user_agent"]
    names += [f"utm_{name}" for name in ("source", "medium", "campaign", "term", "content")]
    texts = [{name: f"of {CANARY} and others"} for name in names]
    texts += [{name: f"https://shop.example/of/{CANARY}/1"} for name in ("page_url", "referrer")]
    texts += [{"properties": {"invited_by": CANARY}}, {"note": CANARY}]
    deployment = Deployment(tmp_path / "data", SETTINGS, only=("raw_events",))
    deployment.deliver("a", [event("ada", 6, minute, **text) for minute, text in enumerate([*texts, {}])])
    deployment.run(UNTIL)
    assert begin(deployment, Person(CANARY, None, None)).mention_count == len(texts)


def test_site_narrows_an_erasure(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", {**SETTINGS, "sources": {"other": {"site": "second"}}}, only=("events",))
    deployment.deliver("a", [event(CANARY, 6, 1)])
    deployment.deliver("b", [event(CANARY, 6, 1), BAD[0]], source="other")
    deployment.run(UNTIL)
    assert begin(deployment, Person(CANARY, None, "main")).event_count == 1
    deployment.run(UNTIL)
    assert deployment.table("events")["site"].tolist() == ["second"]
    assert len(deployment.table("quarantined_lines")) == 1


@pytest.mark.parametrize(
    ("timezone", "event_time", "day"),
    [
        ("Pacific/Auckland", "2026-10-05T13:00:00Z", date(2026, 10, 6)),
        ("America/Los_Angeles", "2026-10-06T03:00:00Z", date(2026, 10, 5)),
    ],
)
def test_sessions_of_local_days_are_erased(timezone: str, event_time: str, day: date, tmp_path: Path) -> None:
    """The day of a session in the time zone of the settings can be the one before or after the day in UTC."""
    deployment = Deployment(tmp_path / "data", {**SETTINGS, "timezone": timezone}, only=("sessions",))
    deployment.deliver("a", [event(CANARY, 6, 1, event_time=event_time), event("ada", 6, 2, event_time=event_time)])
    deployment.run(UNTIL)
    sessions = deployment.table("sessions").set_index("visitor_id")["session_id"]
    held = begin(deployment, Person(CANARY, None, None))
    assert (held.days, held.session_ids) == ((("main", day),), (sessions[CANARY],))
    deployment.run(UNTIL)
    assert deployment.table("sessions")["visitor_id"].tolist() == ["ada"]


def test_lines_of_two_sites_with_an_erasure_each_are_kept_apart(tmp_path: Path) -> None:
    deployment = Deployment(
        tmp_path / "data", {**SETTINGS, "sources": {"other": {"site": "second"}}}, only=("raw_events",)
    )
    like_canary = CANARY[::-1]  # of the same length
    for number in range(2):  # of each site, so that each is read before the other
        deployment.deliver(f"a{number}", [event("ada", 6, number), BAD[0]])
        deployment.deliver(f"b{number}", [event(like_canary, 6, number), BAD[0]], source="other")
    deployment.run(UNTIL)
    begin(deployment, Person(CANARY, None, "main"))
    deployment.run(UNTIL)
    begin(deployment, Person(like_canary, None, "second"))
    deployment.run(UNTIL)
    assert deployment.table("raw_events")["visitor_id"].tolist() == ["ada", "ada"]
    assert deployment.table("quarantined_lines")["site"].tolist() == ["second", "second"]
    deployment.deliver("c", [BAD[0]], source="other")
    deployment.deliver("d", [BAD[0]])
    deployment.run(UNTIL)
    assert deployment.table("quarantined_lines")["site"].tolist() == ["second"] * 3


def test_unknown_id_is_remembered(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", SETTINGS, only=("events",))
    assert begin(deployment, Person(CANARY, None, None)).is_empty
    deployment.deliver("a", [event(CANARY, 6, 1), event("ada", 6, 1)])
    deployment.run(UNTIL)
    assert deployment.table("events")["visitor_id"].tolist() == ["ada"]


def test_rows_of_files_that_are_gone_are_erased(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", SETTINGS, only=("raw_events",))
    path = deployment.deliver("a", [event(CANARY, 6, 1), event("ada", 6, 1)])
    deployment.run(UNTIL)
    path.unlink()
    held = begin(deployment, Person(CANARY, None, None))
    assert (held.files, held.gone_files) == ((), ("test/a.jsonl",))
    deployment.run(UNTIL)
    assert deployment.table("raw_events")["visitor_id"].tolist() == ["ada"]


def test_damaged_rows_are_read_again_without_the_visitor(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", SETTINGS, only=("raw_events",))
    deployment.deliver("a", [event(CANARY, 6, 1), event("ada", 6, 1)])
    deployment.run(UNTIL)
    begin(deployment, Person(CANARY, None, None))
    [raw] = (deployment.folder.store / "raw_events").rglob("*.parquet")
    damage(raw, b"damaged")
    deployment.run(UNTIL)
    assert deployment.table("raw_events")["visitor_id"].tolist() == ["ada"]


@pytest.mark.parametrize(
    ("name", "is_readable"),
    [
        ("raw_events", True),
        ("quarantined_lines", False),
        pytest.param("raw_events", False, marks=pytest.mark.nightly),
        pytest.param("quarantined_lines", True, marks=pytest.mark.nightly),
    ],
)
def test_erasure_is_not_finished_while_damaged_rows_cannot_be_read_again(
    name: str, is_readable: bool, tmp_path: Path
) -> None:
    deployment = Deployment(tmp_path / "data", SETTINGS, only=("raw_events",))
    path = deployment.deliver("a", [event(CANARY, 6, 1), event("ada", 6, 1), BAD[0]])
    deployment.run(UNTIL)
    delivered = path.read_bytes()
    path.unlink()
    begin(deployment, Person(CANARY, None, None))
    [stored] = (deployment.folder.store / name).rglob("*.parquet")
    content = stored.read_bytes()
    damage(stored, content.replace(b"parquet-cpp", b"parquet-cpq") if is_readable else b"damaged")
    assert stored.read_bytes() != content
    for _ in range(2):
        with pytest.raises(StoreError, match=r"test/a\.jsonl are damaged in the store, and the file is missing"):
            deployment.run(UNTIL)
    assert unfinished_in(deployment.folder) is not None
    path.write_bytes(delivered)
    deployment.run(UNTIL)
    assert deployment.table("raw_events")["visitor_id"].tolist() == ["ada"]
    assert deployment.table("quarantined_lines").empty


@pytest.mark.parametrize("name", ["raw_events", "quarantined_lines"])
def test_person_in_an_unreadable_file_is_an_error_that_says_what_to_do(name: str, tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", SETTINGS, only=("raw_events",))
    deployment.deliver("a", [event(CANARY, 6, 1), BAD[0]])
    deployment.run(UNTIL)
    [stored] = (deployment.folder.store / name).rglob("*.parquet")
    damage(stored, b"damaged")
    with pytest.raises(StoreError, match=r"cannot be read \(.*\); run `session-pipeline verify`"):
        begin(deployment, Person(CANARY, None, None))


@pytest.mark.parametrize(("before", "after"), [("plain", "keyed"), ("keyed", "plain")])
def test_erased_user_does_not_come_back_if_user_ids_are_stored_in_another_form(
    before: str, after: str, tmp_path: Path
) -> None:
    deployment = Deployment(
        tmp_path / "data", {**SETTINGS, "privacy": {"user_ids": before}}, only=("raw_events", "events")
    )
    deployment.deliver("a", [event("tablet", 6, 1, user_id=CANARY_USER), event("tablet", 6, 2, user_id="another")])
    deployment.run(UNTIL)
    given = deployment.table("events")["user_id"].tolist()[0]
    begin(deployment, Person(None, given, None))
    deployment.run(UNTIL)
    assert len(deployment.table("events")) == 1
    deployment.set({**SETTINGS, "privacy": {"user_ids": after}})
    deployment.run(UNTIL)
    assert len(deployment.table("events")) == 1


def test_user_is_found_by_its_plain_id_if_user_ids_are_keyed(tmp_path: Path) -> None:
    deployment = Deployment(
        tmp_path / "data", {**SETTINGS, "privacy": {"user_ids": "keyed"}}, only=("raw_events", "events")
    )
    own = [event("own", 6, 1, user_id=CANARY_USER), event("own", 6, 2)]
    deployment.deliver("a", [*own, event("ada", 6, 3, user_id="another")])
    deployment.run(UNTIL)
    with open_folder(deployment.folder, until=UNTIL) as opened:
        tables = held_tables(opened.store, find_held(opened, Person(None, CANARY_USER, None)))
    assert (len(tables["raw_events"]), len(tables["events"])) == (2, 2)
    held = begin(deployment, Person(None, CANARY_USER, None))
    assert (held.visitors, held.event_count) == ((("main", "own"),), 2)
    deployment.run(UNTIL)
    assert deployment.table("events")["visitor_id"].tolist() == ["ada"]


@pytest.mark.parametrize(
    ("person", "before"),
    [
        (Person(CANARY, None, None), []),
        (Person(None, CANARY_USER, None), ["previousId"]),
        pytest.param(Person(CANARY, None, None), ["previousId"], marks=pytest.mark.nightly),
        pytest.param(Person(None, CANARY_USER, None), [], marks=pytest.mark.nightly),
    ],
)
def test_erased_former_id_is_recognized_as_hash_properties_stores_it(
    person: Person, before: list[str], tmp_path: Path
) -> None:
    """The setting is there before the erasure, or comes later, when files are read again."""
    settings, hashing = ({**SETTINGS, "privacy": {"hash_properties": keys}} for keys in (before, ["previousId"]))
    deployment = Deployment(tmp_path / "data", settings, only=("raw_events",))
    former = [event("ada", 6, minute, previousId=each) for minute, each in ((2, CANARY), (3, CANARY_USER), (4, "old"))]
    deployment.deliver("a", [event(CANARY, 6, 1, user_id=CANARY_USER), *former])
    deployment.run(UNTIL)
    held = begin(deployment, person)
    assert (held.event_count, held.former_count) == (1, 2 if person.user else 1)
    deployment.run(UNTIL)
    deployment.set(hashing)
    deployment.run(UNTIL)
    rows = deployment.table("raw_events")
    kept = [bool(json.loads(each)["previousId"]) for each in rows["properties"]]
    assert kept == ([False, False, True] if person.user else [False, True, True])


def test_erasures_need_their_key(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path / "data", SETTINGS, only=("events",))
    begin(deployment, Person(CANARY, None, None))
    assert CANARY in deployment.folder.erasures.read_text()  # until it is finished
    assert deployment.folder.erasures.stat().st_mode & 0o077 == 0
    deployment.folder.visitor_key.unlink()
    deployment.deliver("a", [event(CANARY, 6, 1)])
    with pytest.raises(SessionPipelineError, match=r"restore .*visitor_key"):
        deployment.run(UNTIL)
    deployment.folder.erasures.write_text("{")
    with pytest.raises(SessionPipelineError, match=r"erasures\.json is not a list"):
        deployment.run(UNTIL)


def test_links_of_frozen_days_lose_erased_former_ids() -> None:
    names = ("site", "visitor_id", "carried_user_id", "previous_id", "first_seen_at", "last_seen_at", "event_count")
    given = [
        ("main", "zeta", "", "", 5, 9, 2),
        ("main", "zeta", "", CANARY, 3, 7, 1),
        ("main", "ada", "", "old", 1, 2, 4),
        ("main", "ada", "", CANARY, 1, 2, 4),
        ("main", "eve", "", "hashed", 1, 2, 4),
    ]
    rows = pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in given])
    found = without_former_ids(rows, Unfinished(visitors=(("main", CANARY),), former_ids=(("main", "hashed"),)))
    assert found.schema == rows.schema
    assert [tuple(row.values()) for row in found.to_pylist()] == [
        ("main", "ada", "", "", 1, 2, 4),
        ("main", "ada", "", "old", 1, 2, 4),
        ("main", "eve", "", "", 1, 2, 4),
        ("main", "zeta", "", "", 3, 9, 3),
    ]
    assert without_former_ids(rows, Unfinished(users=(("second", CANARY), ("main", "nobody")))) is rows

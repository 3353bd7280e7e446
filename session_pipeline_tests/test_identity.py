"""Tests identity: persons against an oracle, late and undone links, the days that they rebuild, and that it is off."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from session_pipeline.build.plan import Kind, Staleness
from session_pipeline.engines.duckdb import DuckDBEngine
from session_pipeline.run.pipeline import open_run, open_store
from session_pipeline.settings import parse_settings
from session_pipeline.tables import table
from session_pipeline.tables.identity import from_settings
from session_pipeline.tables.identity.groups import id_groups
from session_pipeline.tables.steps import STEP_OF_TABLE
from session_pipeline_tests.deployment import Deployment, damage, to_toml
from session_pipeline_tests.oracles.identity import Persons, Seen, sessions
from session_pipeline_tests.oracles.sessions import ONE_DAY
from session_pipeline_tests.reliability.figures import effort

FIRST = date(2026, 3, 2)
UNTIL = FIRST + 6 * ONE_DAY
BY_PERSON: Mapping[str, Any] = {"by": "person"}
IGNORED = ("null", "0")
TABLES_OF_IDENTITY = {"identity_links", "identity_edges", "identities", "day_identities", "event_devices"}
BUILT = ("visitors", "daily_visitors", "event_devices")


def merges(of: Sequence[Seen]) -> list[dict[str, str]]:
    names = {"visitor_id": "visitor", "user_id": "user", "previous_id": "previous"}
    return [{key: getattr(each, name) for key, name in names.items() if getattr(each, name)} for each in of]


# Persons


# Few ids, so that they often meet; some are ids of visitors and of users.
VISITORS, USERS = ("a", "b", "c", "d", "x"), ("x", "y", "z", "null")
TIMES = [datetime(2026, 3, 2, hour) for hour in range(4)]
EVENTS = st.builds(
    Seen,
    visitor=st.sampled_from(VISITORS),
    user=st.sampled_from(("", *USERS)),
    previous=st.sampled_from(("", "", *VISITORS, *USERS)),
    time=st.sampled_from(TIMES),
)
MERGES = st.one_of(
    st.builds(Seen, visitor=st.sampled_from(VISITORS), user=st.sampled_from(USERS)),
    st.builds(Seen, visitor=st.sampled_from(VISITORS), previous=st.sampled_from(VISITORS)),
    st.builds(Seen, user=st.sampled_from(USERS), previous=st.sampled_from((*VISITORS, *USERS))),
)


@pytest.mark.long
@limits(max_examples=60, deadline=None)
@given(
    events=st.lists(EVENTS, max_size=8),
    link=st.lists(MERGES, max_size=2, unique=True),
    unlink=st.lists(MERGES, max_size=3, unique=True),
)
def test_persons_equal_the_oracle(
    engine: DuckDBEngine, events: list[Seen], link: list[Seen], unlink: list[Seen]
) -> None:
    unlink = [each for each in unlink if each not in link]
    found = identities(engine, events, link, unlink)
    persons = Persons(events, ignored=IGNORED, link=link, unlink=unlink)
    pairs = {(each.visitor, each.user) for each in events} | {(each.visitor, "") for each in events}
    assert {pair: found.get(pair, pair[0]) for pair in pairs} == {pair: persons.of(*pair) for pair in pairs}


def identities(
    engine: DuckDBEngine, events: Sequence[Seen], link: Sequence[Seen], unlink: Sequence[Seen]
) -> dict[tuple[str, str], str]:
    """Return the person of each visitor id with and without a user id, by the models."""
    of = {**BY_PERSON, "ignored_user_ids": IGNORED, "link": merges(link), "unlink": merges(unlink)}
    settings = parse_settings(to_toml({"identity": of}))
    rows = [
        {"event_date": each.time.date(), "site": "main", "visitor_id": each.visitor, "carried_user_id": each.user}
        | {"previous_id": each.previous, "first_seen_at": each.time, "last_seen_at": each.time, "event_count": 1}
        for each in events
        if each.time
    ]
    schema = table("identity_links").schema.append(pa.field("event_date", pa.date32()))
    with engine.job() as job:
        job.add_rows("identity_links", pa.Table.from_pylist(rows, schema=schema))
        job.add_rows("identity_merges", from_settings.identity_merges(settings))
        job.add_rows("ignored_user_ids", from_settings.ignored_user_ids(settings))
        job.compute("identity_edges", {})
        job.add_rows("id_groups", id_groups(job.rows_of_model("equal_ids", {})))
        found = job.rows_of_model("identities", {}).to_pylist()
    persons = {(row["visitor_id"], row["carried_user_id"]): row["person_id"] for row in found}
    assert len(persons) == len(found)
    return persons


def test_long_chains_of_former_ids_are_one_group() -> None:
    links = [{"site": "s", "kind": "users", "id": f"{n:05}", "other_id": f"{n + 1:05}"} for n in range(20_000)]
    groups = id_groups(pa.Table.from_pylist(links[::2] + links[1::2]))
    assert set(groups.column("group_id").to_pylist()) == {"00000"}
    assert groups.num_rows == 20_001


# The pipeline


def at(day: int, minutes: int) -> datetime:
    return datetime.combine(FIRST + day * ONE_DAY, datetime.min.time()) + timedelta(minutes=minutes)


def line(
    event_id: str, when: datetime, visitor: str, user: str = "", previous: str = "", **more: Any
) -> dict[str, Any]:
    ids = {"user_id": user} if user else {}
    ids |= {"previousId": previous} if previous else {}
    fields = {"event_id": event_id, "event_time": f"{when.isoformat()}Z", "visitor_id": visitor}
    return {**fields, "event_name": "page_view", "page_url": "https://shop.example/", **ids, **more}


def random_lines(random: Random, count: int) -> list[dict[str, Any]]:
    """Lines of four days, close to each other and around midnight, of few ids."""
    lines = []
    for number in range(count):
        when = at(random.randrange(4), random.choice((0, 10, 20, 600, 625, 1400, 1425, 1435)))
        when += timedelta(seconds=number)  # no two events at once: their order would depend on the files
        visitor = random.choice(("a", "b", "c", "d", "e"))
        user = random.choice(("", "", "", "x", "y", "z"))
        previous = random.choice(("a", "b", "x", "y")) if random.random() < 0.1 else ""
        lines.append(line(f"e{number:03}", when, visitor, user, previous))
    return lines


def require_oracle(deployment: Deployment, lines: Sequence[Mapping[str, Any]], unlink: Sequence[Seen] = ()) -> None:
    """Compare sessions, visitors and the devices of events with the oracle."""

    def time_of(one: Mapping[str, Any]) -> datetime:
        return datetime.fromisoformat(one["event_time"].removesuffix("Z"))

    seen = [Seen(one["visitor_id"], one.get("user_id", ""), one.get("previousId", ""), time_of(one)) for one in lines]
    persons = Persons(seen, ignored=IGNORED, unlink=unlink)
    whose = {one["event_id"]: persons.of(one["visitor_id"], one.get("user_id", "")) for one in lines}
    expected = sessions((whose[one["event_id"]], time_of(one), one["event_id"]) for one in lines)
    events = deployment.table("events").sort_values(["session_id", "event_number"])
    found = {
        (rows["visitor_id"].iloc[0], tuple(rows["event_id"])) for _, rows in events.groupby("session_id", sort=False)
    }
    assert found == expected
    assert set(deployment.table("visitors")["visitor_id"]) == set(whose.values())
    devices = deployment.table("event_devices").merge(events, on=["session_id", "event_number"])
    assert dict(zip(devices["event_id"], devices["device_id"], strict=True)) == {
        one["event_id"]: one["visitor_id"] for one in lines if whose[one["event_id"]] != one["visitor_id"]
    }


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(seed, marks=pytest.mark.long if seed < 1 else pytest.mark.nightly)
        for seed in range(2 + 2 * effort())
    ],
)
def test_late_links_give_what_a_build_at_once_gives(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    lines = random_lines(random, 40)
    parts = [sorted(lines[place::3], key=lambda one: str(one["event_time"])) for place in range(3)]
    piecewise = Deployment(tmp_path / "piecewise", {"identity": BY_PERSON}, only=BUILT)
    for number, part in enumerate(parts):
        piecewise.deliver(f"part {number}", part)
        piecewise.run(UNTIL)
        require_oracle(piecewise, [one for done in parts[: number + 1] for one in done])
    at_once = Deployment(tmp_path / "at once", {"identity": BY_PERSON}, only=BUILT)
    for number, part in enumerate(parts):
        at_once.deliver(f"part {number}", part)
    at_once.run(UNTIL)
    assert piecewise.hashes() == at_once.hashes()
    undone = [Seen(visitor="a", user="x"), Seen(user="y", previous="x")]
    at_once.set({"identity": {**BY_PERSON, "unlink": merges(undone)}})
    at_once.run(UNTIL)
    require_oracle(at_once, lines, undone)
    if seed == 0:  # with another seed, it can be that no event has one of the links
        assert piecewise.hashes() != at_once.hashes()
    at_once.set({"identity": BY_PERSON})
    at_once.run(UNTIL)
    assert piecewise.hashes() == at_once.hashes()


@pytest.fixture
def shop(tmp_path: Path) -> Deployment:
    """A laptop whose user is known, and a phone that is not: on days 0 (over midnight), 1 and 3; others on each day."""
    deployment = Deployment(tmp_path / "data", {"identity": BY_PERSON}, only=BUILT)
    lines = [line(f"o{day}", at(day, 700), f"other{day}") for day in range(5)]
    lines += [line("p0", at(0, 1430), "phone"), line("p1", at(1, 5), "phone"), line("p3", at(3, 600), "phone")]
    lines += [line("l2", at(2, 600), "laptop", "anna")]
    deployment.deliver("first", lines)
    deployment.run(UNTIL)
    return deployment


def sessionized(built: Sequence[tuple[str, date | None]]) -> set[int]:
    return {(day - FIRST).days for name, day in built if name == "sessionize" and day}


@pytest.mark.long
def test_link_rebuilds_exactly_the_days_it_touches(shop: Deployment) -> None:
    before = shop.hashes()
    events = shop.table("events").set_index("event_id")["session_id"]
    shop.deliver("login", [line("p4", at(4, 600), "phone", "anna")])
    # Day 5 has no event; it follows the day of the new file.
    assert sessionized(shop.run(UNTIL)) == {0, 1, 3, 4}
    assert set(shop.table("visitors")["visitor_id"]) == {"laptop", *(f"other{day}" for day in range(5))}
    again = shop.table("events").set_index("event_id")["session_id"]
    assert again.drop("p4").to_dict() == events.to_dict()  # a session is the same one, of another visitor
    assert shop.table("session_changes").empty
    # Undone, the days are as before, except that of the login.
    shop.set({"identity": {**BY_PERSON, "unlink": [{"visitor_id": "phone", "user_id": "anna"}]}})
    assert sessionized(shop.run(UNTIL)) == {0, 1, 3, 4}
    changed = {name.partition("[")[2][:10] for name, sha256 in shop.hashes().items() if before.get(name) != sha256}
    assert not changed & {str(FIRST + day * ONE_DAY) for day in range(4)}
    # A merge by hand gives the same as the login.
    shop.set({"identity": {**BY_PERSON, "link": [{"visitor_id": "other0", "user_id": "anna"}]}})
    assert sessionized(shop.run(UNTIL)) == {0, 1, 3, 4}
    assert shop.run(UNTIL) == []


@pytest.mark.long
def test_link_that_touches_no_other_day_rebuilds_none(shop: Deployment) -> None:
    """The first login on a visitor id changes nothing, because the person has this visitor id."""
    shop.deliver("login", [line("p4", at(4, 600), "phone", "bert")])
    assert sessionized(shop.run(UNTIL)) == {4}


@pytest.mark.long
def test_second_user_of_a_visitor_id_takes_the_first_one_apart(shop: Deployment) -> None:
    shop.deliver("login", [line("p4", at(4, 600), "phone", "anna"), line("p5", at(4, 900), "phone", "bert")])
    assert sessionized(shop.run(UNTIL)) == {4}
    events = shop.table("events").set_index("event_id")["visitor_id"]
    assert [events[name] for name in ("p0", "p3", "l2", "p4")] == ["phone", "phone", "laptop", "laptop"]
    assert events["p5"] not in ("phone", "laptop")


@pytest.mark.long
def test_changed_person_of_an_open_session_reaches_the_next_day(tmp_path: Path) -> None:
    """Only the first day has the phone. Its session goes on with the laptop once both are one person."""
    deployment = Deployment(tmp_path / "data", {"identity": BY_PERSON}, only=BUILT)
    deployment.deliver("first", [line("p0", at(0, 1430), "phone"), line("l1", at(1, 5), "laptop", "anna")])
    deployment.run(UNTIL)
    deployment.deliver("login", [line("p3", at(3, 600), "phone", "anna")])
    assert sessionized(deployment.run(UNTIL)) == {0, 1, 3, 4}
    events = deployment.table("events").set_index("event_id")
    assert events["session_id"]["p0"] == events["session_id"]["l1"] != events["session_id"]["p3"]
    assert events["event_number"]["l1"] == 2


@pytest.mark.long
def test_funnel_of_a_person_goes_on_on_another_device(tmp_path: Path) -> None:
    steps = [{"name": name, "where": f"event_name = '{name}'"} for name in ("page_view", "purchase")]
    funnel = {"name": "shop", "grain": "visitor", "window_seconds": 259_200, "steps": steps}
    counts = []
    for by in ("visitor", "person"):
        deployment = Deployment(tmp_path / by, {"identity": {"by": by}, "funnels": [funnel]}, only=["funnel_steps"])
        lines = [line("p0", at(0, 600), "phone"), line("l1", at(1, 600), "laptop", "anna", event_name="purchase")]
        deployment.deliver("shop", [*lines, line("p2", at(2, 600), "phone", "anna", event_name="log_in")])
        deployment.run(UNTIL)
        entries = deployment.table("funnel_entries")
        counts.append((len(entries), int(entries["is_converted"].sum())))
    assert counts == [(1, 0), (1, 1)]


@pytest.mark.long
def test_ignored_user_ids_join_nobody_if_user_ids_are_keyed(tmp_path: Path) -> None:
    settings = {"identity": BY_PERSON, "privacy": {"user_ids": "keyed"}}
    deployment = Deployment(tmp_path / "data", settings, only=["identities", "events"])
    lines = [line(f"g{number}", at(0, number), f"cookie{number}", "guest") for number in range(2)]
    deployment.deliver("guests", [*lines, line("a0", at(0, 5), "cookie0", "anna")])
    deployment.run(UNTIL)
    before = deployment.hashes()
    assert set(deployment.table("events")["visitor_id"]) == {"cookie0", "cookie1"}
    # The files are read again, and the id becomes the user of both.
    deployment.set({**settings, "identity": {**BY_PERSON, "ignored_user_ids": ["0"]}})
    deployment.run(UNTIL)
    assert "guest" not in set(deployment.table("events")["user_id"])
    assert set(deployment.table("identities")["visitor_id"]) == {"cookie0", "cookie1"}
    assert deployment.table("identities")["is_shared"].any()
    deployment.set(settings)
    deployment.run(UNTIL)
    assert deployment.hashes() == before


# Off


@pytest.mark.long
def test_visitors_without_users_are_the_same_by_person(tmp_path: Path) -> None:
    lines = [one | {"user_id": None} for one in random_lines(Random(1), 20)]
    lines = [{key: value for key, value in one.items() if key != "previousId"} for one in lines]
    hashes = []
    for by in ("visitor", "person"):
        deployment = Deployment(tmp_path / by, {"identity": {"by": by}}, only=BUILT)
        deployment.deliver("lines", lines)
        deployment.run(UNTIL)
        of_identity = tuple(TABLES_OF_IDENTITY)
        hashes.append({name: found for name, found in deployment.hashes().items() if not name.startswith(of_identity)})
    assert hashes[0] == hashes[1]


def test_switching_it_on_waits_for_an_upgrade_and_off_drops_its_tables(shop: Deployment) -> None:
    by_person = shop.hashes()
    shop.set({"identity": {"by": "visitor"}})
    shop.run(UNTIL)
    off = shop.hashes()
    assert not any(name.startswith(tuple(TABLES_OF_IDENTITY)) for name in off)
    shop.set({"identity": BY_PERSON})
    with open_run(shop.folder, run_id="test", until=UNTIL) as run:
        run.ingest()
        wanted = run.planner.frame.wanted
        for name, found in (("events", Kind.LOGIC), ("event_devices", Kind.ADDED), ("day_identities", None)):
            expected = found and Staleness(found, "setting identity.by changed")
            assert {run.planner.staleness(STEP_OF_TABLE[name], day) for day in wanted} == {expected}
    shop.run(UNTIL)
    assert shop.hashes() == by_person


@pytest.mark.long
def test_damaged_tables_are_built_again(shop: Deployment) -> None:
    shop.deliver("login", [line("p4", at(4, 600), "phone", "anna")])
    shop.run(UNTIL)
    before = shop.hashes()
    with closing(open_store(shop.folder)) as store:
        for name in TABLES_OF_IDENTITY:
            damage(store.path_of(store.of_table(name)[0]), b"damaged")
    with open_run(shop.folder, run_id="test", until=UNTIL) as run:
        damaged = [each for each in run.store.partitions.values() if not run.store.is_intact(each)]
        for partition in damaged:
            run.store.mark_damaged(partition)
    assert {partition.key.table for partition in damaged} == TABLES_OF_IDENTITY
    built = shop.run(UNTIL)
    assert sessionized(built) == set()
    assert ("event_devices", FIRST) in built
    assert shop.hashes() == before
    with closing(open_store(shop.folder)) as store:
        assert all(store.is_intact(each) for each in store.partitions.values())

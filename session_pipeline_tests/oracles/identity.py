"""Computes which ids are one person, in plain Python, written from docs/definitions.md and not from the SQL.

It merges sets until nothing changes, over everything that was ever seen on a site.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import md5

Pair = tuple[str, frozenset[str] | tuple[str, str]]


@dataclass(frozen=True)
class Seen:
    """An event, or a merge by hand (without a time). '' stands for an id that it does not have."""

    visitor: str = ""
    user: str = ""
    previous: str = ""
    time: datetime | None = None


class Persons:
    """The persons of one site.

    Args:
        events: Its events.
        ignored: User ids that name nobody.
        link: Merges by hand.
        unlink: Merges that are undone.
    """

    def __init__(
        self,
        events: Iterable[Seen],
        *,
        ignored: Collection[str] = (),
        link: Sequence[Seen] = (),
        unlink: Sequence[Seen] = (),
    ) -> None:
        def named(each: Seen) -> Seen:
            user, previous = ("" if name in ignored else name for name in (each.user, each.previous))
            return Seen(each.visitor, user, previous, each.time)

        linking = [named(each) for each in (*events, *link)]
        undone = {pair for each in unlink for pair in _pairs(named(each))}
        users = {each.user for each in linking} - {""}
        self._owners: dict[str, set[str]] = {}  # the users of each visitor
        self._first: dict[tuple[str, str], tuple[bool, datetime, str]] = {}
        equal: dict[str, list[set[str]]] = {"users": [], "visitors": []}
        for each in linking:
            for kind, pair in _pairs(each):
                if (kind, pair) in undone:
                    continue
                if isinstance(pair, frozenset):
                    if kind == "visitors" or pair <= users:
                        equal[kind].append(set(pair))
                    continue
                visitor, user = pair
                self._owners.setdefault(visitor, set()).add(user)
                is_alias = each.time is None or visitor != each.visitor
                rank = self._first.get(pair, (True, datetime.max, visitor))
                # An alias comes after all visitors whose events carry the user.
                self._first[pair] = (rank[0] and is_alias, min(rank[1], each.time or datetime.max), visitor)
        self._users, self._visitors = _merged(equal["users"]), _merged(equal["visitors"])

    def of(self, visitor: str, user: str) -> str:
        """Return the id whose visitor an event counts for."""
        if user and user in self._owners.get(visitor, ()):
            return self._id(self._group_of_user(user))
        group = self._group_of_visitor(visitor)
        persons = self._persons_of(group)
        return self._id(persons.pop()) if len(persons) == 1 else min(group)

    def _id(self, users: frozenset[str]) -> str:
        """The first visitor id that only this person uses; otherwise a hash of the smallest user id."""
        own = [
            rank
            for (visitor, user), rank in self._first.items()
            if user in users and self._persons_of(self._group_of_visitor(visitor)) == {users}
        ]
        return min(own)[2] if own else md5(f"person|{min(users)}".encode()).hexdigest()

    def _persons_of(self, visitors: frozenset[str]) -> set[frozenset[str]]:
        return {self._group_of_user(user) for visitor in visitors for user in self._owners.get(visitor, ())}

    def _group_of_user(self, user: str) -> frozenset[str]:
        return next((group for group in self._users if user in group), frozenset([user]))

    def _group_of_visitor(self, visitor: str) -> frozenset[str]:
        return next((group for group in self._visitors if visitor in group), frozenset([visitor]))


def _pairs(seen: Seen) -> Iterator[Pair]:
    """Yield what an event says: who used which visitor id, and which two ids are the same."""
    if seen.user:
        if seen.visitor:
            yield "owner", (seen.visitor, seen.user)
        if seen.previous not in ("", seen.user):
            yield "owner", (seen.previous, seen.user)
            yield "users", frozenset((seen.previous, seen.user))
    elif seen.previous and seen.visitor and seen.previous != seen.visitor:
        yield "visitors", frozenset((seen.previous, seen.visitor))


def _merged(sets: Iterable[set[str]]) -> list[frozenset[str]]:
    """Merge sets with a common element until there are none."""
    groups: list[set[str]] = []
    for each in sets:
        apart = [group for group in groups if not group & each]
        groups = [*apart, each.union(*(group for group in groups if group & each))]
    return [frozenset(group) for group in groups]


def sessions(
    events: Iterable[tuple[str, datetime, str]], timeout: timedelta = timedelta(minutes=30)
) -> set[tuple[str, tuple[str, ...]]]:
    """Return the sessions of events (whose, when, event id), each with the ids of its events, in order."""
    of: dict[str, list[list[tuple[datetime, str]]]] = {}
    for whose, when, event_id in sorted(events):
        series = of.setdefault(whose, [])
        if not series or when - series[-1][-1][0] > timeout:
            series.append([])
        series[-1].append((when, event_id))
    return {(whose, tuple(name for _, name in one)) for whose, series in of.items() for one in series}

"""Parses patterns, which are written in the notation of regular expressions, with limits on time."""

import re
from dataclasses import replace
from decimal import Decimal

from session_pipeline.errors import SettingsError
from session_pipeline.settings.action_patterns import (
    Action,
    ActionPattern,
    Arrow,
    Choice,
    Item,
    Limit,
    Repeat,
    Series,
    can_begin_with_a_limit,
    lengths,
    size,
)

LONGEST_TEXT = 2_000
DEEPEST_GROUP = 20
MOST_GAPS = 10  # different times in -[ ]->
LARGEST_SIZE = 1_000  # of the regular expression, with its repetitions written out
DAY_MICROSECONDS = 86_400_000_000

_SESSION_BOUNDS = {"start": "^", "end": "$"}
_QUOTES = 'quote names with other characters than letters, digits and _ / : . - like this: "add to cart"'
_NOT_HINT = "write [^a] instead of !a, and [^a b] instead of ![a b], for any action but these"
_TIME_HINT = "write it between two actions: a -> (?t<=3s) -> b"
_UNITS = {"": 1, "s": 1, "min": 60, "h": 3600}
_LIMIT = r"(?P<{0}sign><=|<|>=|>|==)\s*(?P<{0}number>\d+(?:\.\d{{1,6}})?)\s*(?P<{0}unit>s|min|h|)"
_TOKEN = re.compile(
    r"\s*(?:"
    rf"(?P<gap>-\[\s*{_LIMIT.format('gap_')}\s*\]->)"
    r"|(?P<arrow>->)"
    rf"|(?P<time>\(\?t\s*{_LIMIT.format('time_')}\s*\))"
    r'|"(?P<quoted>(?:[^"\\]|\\.)+)"'
    r"|(?P<name>(?:[^\W]|[/:])(?:[\w/:.]|-(?!>|\[))*)"
    r"|(?P<repeat>\{(?!\s*,?\s*\})\s*(?P<least>\d{1,9})?\s*(?:(?P<comma>,)\s*(?P<most>\d{1,9})?\s*)?\})"
    r"|(?P<sign>\[\^|[][().|*+?^$])"
    r")"
)


def parse_pattern(text: str) -> ActionPattern:
    """Return the parsed pattern.

    Raises:
        SettingsError: The text is not a pattern. The key of the error is empty.
    """
    if len(text) > LONGEST_TEXT:
        raise _problem(f"has {len(text):,} characters", f"write at most {LONGEST_TEXT:,}")
    parser = _Parser(text)
    pattern = parser.pattern()
    for part in pattern.parts:
        if lengths(part)[0] == 0:
            raise _problem("matches without any action", "write at least one action without * and ?, next to each (?t)")
        if can_begin_with_a_limit(part):
            raise _problem(
                "has a time limit -[ ]-> after actions that can all be absent",
                "write an action without * and ? before it",
            )
    if sum(map(size, pattern.parts)) > LARGEST_SIZE:
        raise _problem("is too long with its repetitions", f"write at most {LARGEST_SIZE:,} actions in total")
    if len({action.gap.microseconds for action in pattern.actions if action.gap is not None}) > MOST_GAPS:
        raise _problem(f"has more than {MOST_GAPS} different times in -[ ]->", "write the same times, or fewer")
    return pattern


def _problem(problem: str, hint: str) -> SettingsError:
    return SettingsError("", problem, hint)


class _Parser:
    """Reads the tokens of a pattern from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0
        self._depth = 0

    def pattern(self) -> ActionPattern:
        starts_session = self._accept("^")
        if starts_session:
            self._accept_arrow()
        parts, limits, items = [], [], [self._item(None)]
        while (arrow := self._arrow()) is not None:
            limit = self._time()
            if limit is not None:
                if arrow.limit is not None:
                    raise self._unexpected("a time limit after a time limit", "write one of them")
                if self._arrow() != Arrow(None):
                    raise self._unexpected("no -> after (?t...)", _TIME_HINT)
                parts.append(Series(tuple(items)))
                limits.append(limit)
                items = [self._item(None)]
            elif self._is_next("$"):
                break
            else:
                items.append(self._item(arrow.limit))
        ends_session = self._accept("$")
        rest = self._text[self._place :].strip()
        if ends_session and rest:
            hint = 'write it last: it is the end of the session; quote names that begin with it, such as "$pageview"'
            raise self._unexpected("something after $", hint)
        if rest.startswith("(?t"):
            raise self._unexpected("(?t...) without -> before it", _TIME_HINT)
        if rest:
            raise self._unknown_sign()
        return ActionPattern((*parts, Series(tuple(items))), tuple(limits), starts_session, ends_session)

    def _series(self) -> Item:
        items = [self._item(None)]
        while (arrow := self._arrow()) is not None:
            items.append(self._item(arrow.limit))
        return items[0] if len(items) == 1 else Series(tuple(items))

    def _item(self, gap: Limit | None) -> Item:
        item = self._single()
        if gap is not None:
            if not isinstance(item, Action):
                raise self._unexpected("a time limit before a group", "write it before a single action")
            item = replace(item, gap=gap)
        return self._repeated(item, gap)

    def _repeated(self, item: Item, gap: Limit | None) -> Item:
        token = self._peek()
        bounds: tuple[int, int | None] | None = None
        if token is not None and token["sign"] in ("*", "+", "?"):
            bounds = {"*": (0, None), "+": (1, None), "?": (0, 1)}[token["sign"]]
        elif token is not None and token["repeat"]:
            least = int(token["least"] or 0)
            bounds = (least, int(token["most"]) if token["most"] else None if token["comma"] else least)
            if bounds[1] is not None and not 1 <= bounds[1] >= least:
                raise self._unexpected(
                    f"the repetition {token['repeat']}", "write the smaller number first, and not only 0"
                )
        if bounds is None:
            return item
        if gap is not None:
            raise self._unexpected("a repeated action after a time limit", "write it without * + ? { }")
        self._take()
        return Repeat(item, *bounds, is_lazy=self._accept("?"))

    def _single(self) -> Item:
        token = self._take()
        if token is None:
            is_negated = self._text[self._place :].lstrip().startswith("!")
            raise self._unexpected("no action", _NOT_HINT if is_negated else f"write an action; {_QUOTES}")
        if name := self._name(token):
            self._refuse_wildcard(token, name)
            return Action(frozenset((name,)))
        if token["time"]:
            self._place = token.start()
            if self._depth == 0:
                raise self._unexpected("(?t...) without an action before it", _TIME_HINT)
            raise self._unexpected("(?t...) in a group", "write it outside of ( ), or -[<=3s]-> for the next action")
        match token["sign"]:
            case ".":
                return Action(frozenset(), is_other=True)
            case "[" | "[^":
                return self._one_of(is_other=token["sign"] == "[^")
            case "(":
                return self._group(token)
            case "^":
                self._place = token.end() - 1
                raise self._unexpected("^ within the pattern", "write it first: it is the start of the session")
            case "$":
                self._place = token.end() - 1
                hint = 'quote names that begin with $, such as "$pageview"; as the end of the session, write it last'
                raise self._unexpected("no action before $", hint)
        self._place = token.start()
        raise self._unexpected("no action", f"write an action; {_QUOTES}")

    def _group(self, opening: re.Match[str]) -> Item:
        """Take the alternatives of a group and its end. The opening parenthesis is taken already."""
        if self._is_next("?"):
            self._place = opening.start()
            raise self._unexpected("(?", "write the names of actions instead of (?1), (?2), ...")
        self._depth += 1
        if self._depth > DEEPEST_GROUP:
            raise self._unexpected(f"more than {DEEPEST_GROUP} groups in each other", "write fewer ( )")
        options = [self._series()]
        while self._accept("|"):
            options.append(self._series())
        self._depth -= 1
        if not self._accept(")"):
            if self._text[self._place :].strip():
                raise self._unknown_sign()
            raise self._unexpected("no )", "close the group")
        for name, sign in _SESSION_BOUNDS.items():
            if options == [Action(frozenset((name,)))]:
                self._place = opening.start()
                hint = f"write {sign} for the {name} of the session, or {name} without ( ) for an action"
                raise self._unexpected(f"only {name} in a group", hint)
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _refuse_wildcard(self, token: re.Match[str], name: str) -> None:
        """Refuse /product/.* and /product/*: they would repeat one action, not match all that begin with /product/."""
        is_beginning = len(name) > 1 and name.endswith((".", "/"))
        if token["name"] and is_beginning and (self._is_next("*") or self._is_next("+")):
            self._place = token.start()
            hint = "write whole names, such as [a b] for several; to repeat this one, quote it; . is any action"
            raise self._unexpected(f"a part of a name, {name}", hint)

    def _one_of(self, *, is_other: bool) -> Action:
        names = set()
        while not self._accept("]"):
            token = self._take()
            name = self._name(token) if token is not None else None
            if name is None:
                raise self._unexpected("no name or ] in a list", "write names, separated by spaces: [a b]")
            names.add(name)
        if not names:
            raise self._unexpected("an empty list", "write the names of actions in it: [a b]; . is any action")
        return Action(frozenset(names), is_other=is_other)

    @staticmethod
    def _name(token: re.Match[str]) -> str | None:
        if token["quoted"]:
            return re.sub(r"\\(.)", r"\1", token["quoted"])
        return token["name"]

    def _arrow(self) -> Arrow | None:
        """Take an arrow; return None if there is none."""
        token = self._peek()
        if token is None or not (token["arrow"] or token["gap"]):
            self._refuse_unknown_limit("-[")
            return None
        self._take()
        return Arrow(self._limit(token, "gap") if token["gap"] else None)

    def _accept_arrow(self) -> None:
        token = self._peek()
        if token is not None and token["arrow"]:
            self._take()

    def _time(self) -> Limit | None:
        token = self._peek()
        if token is None or not token["time"]:
            self._refuse_unknown_limit("(?")
            return None
        self._take()
        return self._limit(token, "time")

    def _limit(self, token: re.Match[str], kind: str) -> Limit:
        seconds = Decimal(token[f"{kind}_number"]) * _UNITS[token[f"{kind}_unit"]]
        limit = Limit(token[f"{kind}_sign"], int(seconds * 1_000_000))
        if limit.microseconds > DAY_MICROSECONDS or limit == Limit("<", 0):
            raise self._unexpected("a time limit out of range", "write more than 0 seconds and at most 24h")
        return limit

    def _is_next(self, sign: str) -> bool:
        token = self._peek()
        return token is not None and token["sign"] == sign

    def _accept(self, sign: str) -> bool:
        if not self._is_next(sign):
            return False
        self._take()
        return True

    def _peek(self) -> re.Match[str] | None:
        return _TOKEN.match(self._text, self._place)

    def _take(self) -> re.Match[str] | None:
        token = self._peek()
        if token is not None:
            self._place = token.end()
        return token

    def _refuse_unknown_limit(self, beginning: str) -> None:
        if self._text[self._place :].lstrip().startswith(beginning):
            hint = "write a comparison and a number of s, min or h, such as -[<=0.5s]-> or (?t>2min)"
            raise self._unexpected("an unknown time limit", hint)

    def _unknown_sign(self) -> SettingsError:
        if self._is_next("|"):
            return self._unexpected("alternatives outside of a group", "write them in ( ), such as (a | b)")
        hint = f"separate actions by ->, and {_QUOTES}"
        return self._unexpected("an unknown sign or a missing ->", hint)

    def _unexpected(self, what: str, hint: str) -> SettingsError:
        return _problem(f"has {what} at character {self._place + 1}", hint)

"""Lists further sequences, next actions, routes and transitions with known results, from other products.

These cases need no fixtures. A visitor is described by what happened, as in further_published_funnels.py: `a 2h b` is
an action a and two hours later an action b. Brackets are around the actions of each match: `a [a b] c`.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from session_pipeline_tests.oracles.further_published_funnels import seconds_of
from session_pipeline_tests.oracles.published_paths import pattern_of


class Search(NamedTuple):
    """A pattern, and what it finds.

    Attributes:
        pattern: The pattern, in our notation.
        among: The actions that are looked at; None for all.
        happened: What each visitor did, with brackets around the matches.
        within_seconds: The longest time from the first to the last action; None for any.
    """

    pattern: str
    among: Sequence[str] | None
    happened: tuple[str, ...]
    within_seconds: int | None = None


def without_brackets(happened: str) -> str:
    return happened.replace("[", "").replace("]", "")


def matches(happened: str) -> list[tuple[int, int]]:
    """Return the numbers, from 1, of the first and the last action of each match."""
    words = [word for word in happened.split() if seconds_of(word.strip("[]")) is None]
    firsts = [number for number, word in enumerate(words, start=1) if word.startswith("[")]
    lasts = [number for number, word in enumerate(words, start=1) if word.endswith("]")]
    return list(zip(firsts, lasts, strict=True))


# ClickHouse: the functional test 00222, that of sequenceMatchEventsAll, the manual's examples, issues 118120 and
# 120729; the tests of the DuckDB extension behavioral. `(?1)` is a, `(?2)` is b. The first column has the actions that
# meet a condition.
_SEQUENCES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("a b c d", "(?1)", ("[a] [a] [a] [a] b c [a] [a] [a] [a] b b",)),
    ("a b c d", "(?3)", ("a a a a b [c] a a a a b b",)),
    ("a b c d", ".", ("[a] [a] [b] [c]",)),
    ("a b c d", "(?1)(?1)", ("[a a] [a a] b c [a a] [a a] b b", "a b a", "[a a] a")),
    ("a b c d", "(?1)(?1)(?1)(?1)", ("[a a a a] b c [a a a a] b b",)),
    ("a b c d", "(?1)(?1)(?1)(?1)(?2)", ("[a a a a b] c [a a a a b] b",)),
    ("a b c d", "(?1)(?t>11)(?2)", ("a a a a b c a a a a b b",)),
    ("a b c d", "(?1)(?t<3)(?3)", ("a a a [a b c] a a a a b b",)),
    ("a b c d", "(?1)(?t<2)(?3)", ("a a a a b c a a a a b b",)),
    ("a b c d", "(?2)(?t>7)(?2)", ("a a a a b c a a a a b b",)),
    ("b c", "(?2)(?t==2)(?3)", ("a a a a b c a a a a b b", "[b a c]", "b c", "[b 2s c]")),
    ("a b", "(?1)(?2)", ("[a c b]", "a c c", "b a")),
    ("a b c", "(?1)(?2)", ("a c b", "[a b] c")),
    ("a b d", "(?1)(?2)", ("[a c b]", "a d b")),
    ("a b", "(?1).*(?2)", ("[a c b] [a c b]", "[a a b] b")),
    ("a b c", "(?1)(?2)(?3)", ("[a 5m b 5m c]", "a 5m a", "a 5m c", "a 5m b 5m b 5m c")),
    ("a b c", "(?1)(?2)(?3)", ("[a b c] 3s [a b c] 3s [a b c]", "[a b c] 3s a b")),
    ("a b c", "(?1).*(?3)", ("[a 5m b 5m c]", "a 5m a", "[a 5m c]")),
    ("a b", "(?1)(?2)(?1)", ("a 5m s", "[a 10m b 20m a] 10m s", "[a b a] s [a b a] s", "[a b a] b a")),
    ("a b c", "(?1)(?t<=10)(?2)(?3)", ("a 5s b 95s b c", "[a 5s b c]", "[a 5s b b c] b")),
    ("a b", "(?1)(?t<=30)(?2).*", ("[a 30s b]", "a 31s b")),
    ("a b c", "(?1)(?t<=2)(?2)(?t<=2)(?3)", ("[a 2s b 2s c]", "a 2s b 3s c", "[a b b 2s c]")),
    ("a b", "(?1)(?t<1)(?2)", ("[a 0s b]", "a b")),
    ("a b", "(?1)(?t>0)(?2)", ("a 0s b", "[a 0s b 1s b]")),
    ("a b", "(?1)(?t==0)(?2)", ("[a 0s b]", "a b")),
    ("a b", "(?1)(?t<=1800)(?2)", ("[a 30m b]",)),
    ("a b", "(?1)(?t<1800)(?2)", ("a 30m b", "[a 1799s b]")),
    ("a b", "(?1)(?t>=1800)(?2)", ("[a 30m b]", "a 1799s b", "[a 1799s b 1s b]")),
    ("a b c", "(?1).(?2)", ("[a a b]", "[a c b]", "a b")),
)

# MATCH_RECOGNIZE, one row for each match, after the last row of the one before: the tests of Trino and YDB, the manuals
# of Oracle and Flink; patterns of paths of retentioneering.
_EXPRESSIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("a -> b+ -> c+", ("[a b b c c] [a b c]", "a [a b c c] b", "a b b")),
    ("b+", ("a [b b b]", "[b] a [b]")),
    ("b+?", ("a [b] [b] [b]",)),
    ("b{2,}", ("a [b b b]", "a b")),
    ("b{2,}?", ("a [b b] b",)),
    ("b{5,}", ("b b b b", "[b b b b b b]")),
    ("b{1,2}", ("[b b] [b]",)),
    ("b{1,2}?", ("[b] [b] [b]",)),
    ("b{2}", ("[b b] [b b] b",)),
    ("b{,2} -> c", ("b [b b c]", "[c]", "[b c] [b b c]")),
    ("(a -> b){2}", ("[a b a b] a b", "a a b b")),
    ("a -> [b c]* -> c", ("[a b c b c] w", "[a c]", "a b")),
    ("a -> [b c]*? -> c", ("[a b c] b c w",)),
    ("(b | c | a)", ("[a] [b] d [c]",)),
    ("(a -> b | a)", ("[a] [a b]", "[a b] [a b]")),
    ("(a | a -> b)", ("[a] b [a] b",)),
    ("(a | a -> b) -> c", ("[a b c]", "a [a c]")),
    ("(a -> b | b -> a)", ("[a b] a", "[b a] [a b]")),  # PERMUTE(a, b)
    ("((a) -> (b -> (c)))", ("w [a b c]", "a b")),
    ("^a", ("[a] a", "b a")),
    ("a$", ("a [a]", "a b")),
    ("^a$", ("[a]", "a a")),
    ("^.$", ("[b]", "a b")),
    ("^a -> .* -> b$", ("[a c c b]", "[a b]", "a b c", "c a b", "[a b a b]")),
    ("^[^b]+$", ("[a c d]", "a b d")),
    ("[^a b]+", ("[c d] a [x x] b",)),
    ("a -> .*? -> a", ("[a b a] c a", "[a a] a")),
    ("a -> .* -> a", ("[a b a c a] b",)),
    ("a -> [^a]* -> a", ("[a b b a] b [a a] b a",)),
    ("(a+ -> b)+", ("[a a b a b] c",)),
    ("((a | b) -> c)+ -> a", ("[a c b c a] c", "a a")),
    ("(x+ | y)+", ("[x x y x] a [y]",)),
    ("^.* -> c", ("[a b c a b c] b", "a b")),
    ("^a -> .* -> c -> .*$", ("[a b a b c c]", "b a c")),
    ("a -[<=2s]-> b -[<=2s]-> c", ("[a 2s b 2s c]", "a 3s b c", "a b 3s c", "a [a b c]")),
    ("a -[>2s]-> b", ("a 2s b", "[a 3s b]")),
    ("a -[==0s]-> b", ("[a 0s b]", "a b")),
    ("(a -[<=5s]-> b | a -> c)", ("a 6s b", "[a 6s c] [a 5s b]")),
    # get_conversion_rate of retentioneering (conversion_test.py): within two events of the first a, from the last a on,
    # a series that is all after y, and from the landing on.
    ("^[^a]* -> a -> .{,1} -> b", ("[a b]", "[a n b]", "a n n b", "[b a b]", "b a")),
    ("a -> [^a]* -> b -> [^a]*$", ("a b a", "[a b]", "a b [a c b c]")),
    ("^[^y]* -> y -> .* -> a -> .* -> b", ("[a y a b]", "a b y", "a y b")),
    ("^a -> .* -> b", ("[a b]", "h a b", "a h")),
)

# Our own: what the actions mean that `among` does not name (docs/definitions.md).
_AMONG: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("a b", "^a -> b$", ("x [a b] x", "[a x b]", "b a b", "a b a")),
    ("a b", "a -[<=3s]-> b", ("[a 2s x 1s b]", "a 2s x 2s b", "a 4s [a x b]")),
    ("a b c", "a -> [^a b]* -> b", ("[a x b]", "[a c x c b]", "x a c")),
    # ClickHouse measures the time from the event after a, so it finds nothing in all three.
    ("a b c", "a -> .*? -> (?t>0s) -> b", ("[a b]", "[a x b]", "a 0s b")),
)

# Conditions of ClickHouse that several actions meet, as lists of actions.
_SEVERAL: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("a b c", "[a b] -> .*? -> [b c]", ("[a c]", "[a b] c", "[b x b]", "c a", "[a a b]")),
    ("a b c", "a -> .*? -> b -> .*? -> c", ("[a b c]", "[a a b b c] c", "a c b", "[a b a c] a b")),
    (
        "a b c",
        "a -> (?t<=1h) -> b -> (?t<=30min) -> c",
        ("[a 20m b 20m c]", "[a 20m b 20m b 11m c]", "a 20m b 29m b 2m b"),
    ),
)

# MATCH_RECOGNIZE again: the examples of Snowflake and Databricks, quantifiers and alternatives in groups. The sequences
# of EQL with until and with a limit for each pair.
_FURTHER_EXPRESSIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("^d -> s+ -> u+", ("[d s s u u]", "[d s u] s u", "s u")),
    ("s+ -> u+", ("d [s s u u] [s u]", "[s u] [s u]", "u u s")),
    ("(s+ -> u+){2}", ("d [s s u u s u]", "s u", "[s u s u] s u")),
    ("a{0,2} -> b", ("[a a b]", "[b]", "a [a a b]")),
    ("a?? -> b", ("[a b]", "[b]", "a [a b]")),
    ("a{1,}? -> b{1,}?", ("[a a b] b", "b a")),
    ("(a | b){2,3}", ("[a b a] b", "[a a] x [b b b]")),
    ("(a | b){2,3}?", ("[a b] [a b]", "[a a] x [b b] b")),
    ("((a | b) -> (c | d)){2}", ("[a c b d]", "[a d a c] b c", "a c x b d")),
    (  # PERMUTE(a, b, c)
        "(a -> b -> c | a -> c -> b | b -> a -> c | b -> c -> a | c -> a -> b | c -> b -> a)",
        ("[b c a]", "[a c b] [c a b]", "a a b"),
    ),
    ("(a -> b | a -> b -> c)", ("[a b] c", "a c")),
    ("(a -> b -> c | a -> b)", ("[a b c]", "[a b]")),
    ("^(a | b)", ("[a] b", "[b]", "c a")),
    ("^a -> b*$", ("[a]", "[a b b]", "a b c")),
    ("a -> .*? -> b -> c", ("[a x b c]", "a x b x c", "[a b b c]", "[a b x b c]")),  # c directly after b only
    ("a -> [^a b x]* -> b", ("[a b]", "a x b", "a [a y b] b")),
    ("a -[<5s]-> b", ("[a 4999ms b]", "a 5s b")),
    ("a -> (?t<1min) -> a", ("[a 59s a]", "a 60s a", "a 60s [a 1s a]")),
    ("a -> (?t==5s) -> b", ("[a 5s b]", "[a 2s x 3s b]", "a 4s b", "[a 2s b 3s b]")),
)

# WITHIN of Flink, which leaves out a match that takes exactly the time; `within_seconds` includes it.
_WITHIN: tuple[tuple[int, str, tuple[str, ...]], ...] = (
    (10, "a -> .* -> b", ("[a 10s b]", "a 10001ms b", "[a 5s x 5s b]", "a 6s [a 5s b]")),
    (0, "a -> .* -> b", ("[a 0s b]", "a 1ms b")),
    (2, "a{3}", ("[a a a]", "a 2s [a a a]", "a 2s a 2s a")),
)

JOURNEYS = {"1": "ABCD", "2": "BBDC", "3": "AB", "4": "AAABC", "5": "ABAC", "6": "ABABC"}
PAGES = ("home product cart checkout", "home search product")
# sequenceNextNode: ClickHouse's functional test 01656, and the tests of the DuckDB extension behavioral. The answers
# are in the order of JOURNEYS, or of PAGES; - is none.
NEXT_ACTIONS: tuple[tuple[str, str, str, str], ...] = (
    ("forward", "head", "A", "B - B A B B"),
    ("forward", "head", "C", "- - - - - -"),
    ("forward", "head", "E", "- - - - - -"),
    ("forward", "head", "A C", "- - - - - -"),
    ("forward", "head", "A A B", "- - - - - -"),
    ("forward", "head", "", "A B A A A A"),
    ("forward", "first_match", "A", "B - B A B B"),
    ("forward", "first_match", "A B C", "D - - - - -"),
    ("forward", "first_match", "B B", "- D - - - -"),
    ("backward", "tail", "A", "- - - - - -"),
    ("backward", "tail", "C", "- D - B A B"),
    ("backward", "tail", "D C", "B - - - - -"),
    ("backward", "tail", "D C B", "A - - - - -"),
    ("backward", "tail", "A C", "- - - - - -"),
    ("backward", "first_match", "A", "- - - - - -"),
    ("backward", "first_match", "B A", "- - - A - -"),
    ("forward", "first_match", "home", "product search"),
    ("forward", "first_match", "home product", "cart -"),
    ("forward", "last_match", "home", "product search"),
    ("forward", "tail", "home", "- -"),
    ("backward", "first_match", "product", "home search"),
    ("backward", "last_match", "product", "home search"),
    ("backward", "tail", "product", "- search"),
    ("backward", "head", "product", "- -"),
)


def searches() -> list[Search]:
    sequences = []
    for names, text, happened in _SEQUENCES:
        numbers = {str(number): name for number, name in enumerate("abcd", start=1) if name in names.split()}
        pattern, among = pattern_of(text, numbers)
        sequences.append(Search(pattern, among, happened))
    return [
        *sequences,
        *(Search(pattern, None, happened) for pattern, happened in _EXPRESSIONS),
        *(Search(pattern, None, happened) for pattern, happened in _FURTHER_EXPRESSIONS),
        *(Search(pattern, names.split(), happened) for names, pattern, happened in (*_AMONG, *_SEVERAL)),
        *(Search(pattern, None, happened, seconds) for seconds, pattern, happened in _WITHIN),
    ]


# Transitions: the numbers of pairs of actions, of all visitors of a case together.
# pm4py: the directly-follows graph of a log of six traces. The R packages clickstream and markovchain: their examples
# of clicks and of states.
TRANSITIONS: Mapping[str, tuple[tuple[str, ...], Mapping[str, int]]] = {
    "directly follows": (
        ("a b c d",) * 3 + ("a c b d",) * 2 + ("a e d",),
        {"(start) a": 6, "a b": 3, "a c": 2, "a e": 1, "b c": 3, "b d": 2, "c b": 2, "c d": 3, "e d": 1, "d (end)": 6},
    ),
    "clicks": (
        ("h c c p c h c p p c p p o", "i c i c c c d", "c c p c d"),
        {
            "(start) h": 1, "(start) i": 1, "(start) c": 1,
            "h c": 2, "c c": 4, "c p": 4, "p c": 3, "c h": 1, "p p": 2, "p o": 1, "i c": 2, "c i": 1, "c d": 2,
            "o (end)": 1, "d (end)": 2,
        },
    ),
    "states": (
        ("s t s s s s t s t s t s s t t t s",),
        {"(start) s": 1, "s s": 4, "s t": 5, "t s": 5, "t t": 2, "s (end)": 1},
    ),
}  # fmt: skip

# The times between the actions of visitors, and the median of each pair. retentioneering's median of an even number of
# times is the mean of the two middle ones, as here.
TIMES: tuple[tuple[tuple[str, ...], Mapping[str, float]], ...] = (
    (
        (
            "u 1m v 1m u 3m v 3m u 8m v",
            "u 1m v 1m u 1m v 2m u 2m v",
            "v 3m u 3m v",
            "v 3m u 3m v",
        ),
        {"u v": 150, "v u": 150},
    ),
    (("w 2m x", "w 3m x"), {"w x": 150}),
    (("y 0s z", "y 0s z", "y 4s z"), {"y z": 0}),
    # PostHog's test_step_conversion_times of paths, whose mean times are those of one or two visitors.
    (("p 1m q 2m r 3m s", "p 2m q 4m r"), {"p q": 90, "q r": 180, "r s": 180}),
)

# Pairs of PostHog's paths, which leave out an action directly after itself and begin again after 30 minutes.
PAIRS: tuple[tuple[str, ...], Mapping[str, int]] = (
    ("a a b", "a b b a", "b b", "a 30m b a", "a 29m b c c c a"),
    {"a b": 3, "b a": 2, "b c": 1, "c a": 1},
)

# Routes: retentioneering's tests of route statistics. The number of paths with the route, and of its places.
ROUTES: tuple[tuple[tuple[str, ...], tuple[str, ...], int, int], ...] = (
    (("A A A",), ("A", "A"), 1, 2),
    (("A B C", "A B B C", "A C"), ("A", "B"), 2, 2),
    (("A B C", "A B B C", "A C"), ("B", "B"), 1, 1),
    (("A B C", "A B B C", "A C"), ("C", "A"), 0, 0),
    (("A B C", "A B B C", "A C"), ("path_start", "A"), 3, 3),
    (("A B C", "A B B C", "A C"), ("C", "path_end"), 3, 3),
    (("it's_a_trap B",), ("it's_a_trap", "B"), 1, 1),
)

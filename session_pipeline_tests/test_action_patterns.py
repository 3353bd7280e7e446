"""Tests the notation of patterns: what it means as a regular expression over letters, and its errors."""

import pytest

from session_pipeline.errors import SettingsError
from session_pipeline.settings import parse_settings
from session_pipeline.settings.action_patterns import Limit
from session_pipeline.settings.pattern_parser import DAY_MICROSECONDS, parse_pattern
from session_pipeline.tables.paths.action_letters import LETTERS, texts

# A is any other action, B is a, C is b; the names are in alphabetical order.
EXPRESSIONS = (
    ("a", "[B]"),
    ("a -> b", "[B][C]"),
    ("a -> [^a]* -> a", "[B][A]*[B]"),
    ("a -> . -> b", "[B][A-C][C]"),
    ("[a b]+?", "[BC]+?"),
    ("(a -> b){2,3}", "(?:[B][C]){2,3}"),
    ("a{,2}? -> b{2,}", "[B]{0,2}?[C]{2,}"),
    ("(a | b -> a)?  -> b", "(?:(?:[B])|(?:[C][B]))?[C]"),
    ("^a -> (b | .)$", "[B](?:(?:[C])|(?:[A-C]))"),
    ('"a" -> "b"{2}', "[B][C]{2,2}"),
    ('"a."* -> b', "[B]*[C]"),
    ('"(end)" -> start', "[B][C]"),
    ("(start | end)$", "(?:(?:[C])|(?:[B]))"),
)
ERRORS = (
    ("", "no action at character 1"),
    ("a b", "an unknown sign or a missing -> at character 2"),
    ("/product/.* -> cart", "a part of a name, /product/. at character 1; write whole names"),
    ("a -> (/b/.+ | c)", "a part of a name, /b/. at character 7"),
    ("(?1).*(?2)", "(? at character 1; write the names of actions instead of (?1), (?2), ..."),
    ("a -> -> b", "no action at character 5"),
    ("a -> !b", "no action at character 5; write [^a] instead of !a"),
    ("![a b] -> c", "no action at character 1; write [^a] instead of !a, and [^a b] instead of ![a b]"),
    ("[a", "no name or ] in a list at character 3"),
    ("[]", "an empty list"),
    ("(a -> b", "no ) at character 8"),
    ("a*", "matches without any action"),
    ("a -> (?t<3) -> b?", "matches without any action"),
    ("a -> (?t<0) -> b", "a time limit out of range"),
    ("a -> (?t<25h) -> b", "a time limit out of range"),
    ("a -> (?t<3)", "no -> after (?t...)"),
    ("(?t<3) -> a", "(?t...) without an action before it at character 1; write it between two actions"),
    ("a -> (?t>=1) -> (?t<=3) -> b", "(?t...) without an action before it at character 16"),
    ("(a -> (?t<3s) -> b)", "(?t...) in a group"),
    ("a -[<3s]-> b*", "a repeated action after a time limit"),
    ("a -[<3s]-> (b)+", "a repeated action after a time limit"),
    ("a -[<3s]-> (b -> c)", "a time limit before a group"),
    ("a{3,2}", "the repetition {3,2}"),
    ("(a{100}){100} -> b{999}", "is too long with its repetitions"),
    ("a{1001}", "is too long with its repetitions"),
    ("a{1,1001}", "is too long with its repetitions"),
    ("a -> b | c", "alternatives outside of a group at character 7; write them in ( ), such as (a | b)"),
    ("a{2 5}", "an unknown sign or a missing -> at character 2"),
    ("a{,}", "an unknown sign or a missing -> at character 2"),
    ("a{}", "an unknown sign or a missing -> at character 2"),
    ("a{,0} -> b", "the repetition {,0}"),
    ("a{,2}", "matches without any action"),
    ("/a?b=1", "an unknown sign or a missing -> at character 4; separate actions by ->, and quote names with other"),
    ("(/a?b=1 -> c)", "an unknown sign or a missing -> at character 5"),
    ("a -[<=1d]-> b", "an unknown time limit at character 2; write a comparison and a number of s, min or h"),
    ("(a -[<=500ms]-> b)", "an unknown time limit at character 3"),
    ("a -> (?t<=500ms) -> b", "an unknown time limit at character 5"),
    ("(start) -> a", "only start in a group at character 1; write ^ for the start of the session, or start without ("),
    ("a -> (end)", "only end in a group at character 5; write $ for the end of the session"),
    ("/product/* -> a", "a part of a name, /product/ at character 1; write whole names, such as [a b] for several"),
    ("$pageview -> a", "no action before $ at character 1; quote names that begin with $"),
    ("a -> b (?t<=3s)", "(?t...) without -> before it at character 7; write it between two actions"),
    ("'add to cart' -> b", 'like this: "add to cart"'),
    ("a$ -> b", "something after $ at character 3; write it last"),
    ("a -> ^b", "^ within the pattern at character 6; write it first"),
    ("z? -[>60s]-> a", "a time limit -[ ]-> after actions that can all be absent"),
    (".* -> z{0,2} -[<=60s]-> a", "a time limit -[ ]-> after actions that can all be absent"),
    ("(b | (z? -[<=60s]-> a)+)", "a time limit -[ ]-> after actions that can all be absent"),
    ("b -> (?t<3s) -> z? -[<=60s]-> a", "a time limit -[ ]-> after actions that can all be absent"),
    ("(" * 30 + "a" + ")" * 30, "more than 20 groups in each other"),
    ("a" * 2001, "has 2,001 characters"),
    (
        " -> ".join(["a"] + [f"-[<{n}s]-> a" for n in range(1, 12)]).replace("-> -[", "-["),
        "more than 10 different times",
    ),
)


@pytest.mark.parametrize(("pattern", "expression"), EXPRESSIONS)
def test_pattern_means_this_expression(pattern: str, expression: str) -> None:
    settings = parse_settings(f"[[patterns]]\nname = 'x'\npattern = '''{pattern}'''")
    [text] = texts(settings.patterns)
    assert text.expression(parse_pattern(pattern).parts[0]) == expression


@pytest.mark.parametrize(("pattern", "problem"), ERRORS)
def test_invalid_pattern_is_refused_with_its_problem(pattern: str, problem: str) -> None:
    with pytest.raises(SettingsError, match="patterns") as raised:
        parse_settings(f"[[patterns]]\nname = 'x'\npattern = '''{pattern}'''")
    assert "patterns[0].pattern " in str(raised.value)
    assert problem in str(raised.value)


@pytest.mark.parametrize("pattern", ["x -> z? -[<=60s]-> a", "z? -> x -[<3s]-> a", "x -> (z? -[<3s]-> a)"])
def test_time_limit_can_follow_an_absent_action(pattern: str) -> None:
    """The limit is then on the time since the action before that one."""
    [limit] = [action.gap for action in parse_pattern(pattern).actions if action.gap is not None]
    assert limit.sign in ("<", "<=")


def test_time_limit_can_be_a_whole_day() -> None:
    assert parse_pattern("a -> (?t<24h) -> b").limits == (Limit("<", DAY_MICROSECONDS),)


@pytest.mark.parametrize(
    "line",
    ["max_steps = 0", "max_steps = 101", "max_path_actions = 51", "max_paths = 0", "min_session_count = 0", "more = 1"],
)
def test_invalid_sizes_of_paths_are_refused(line: str) -> None:
    with pytest.raises(SettingsError, match=r"paths\." + line.partition(" ")[0]):
        parse_settings(f"[paths]\n{line}")


def test_names_of_patterns_are_distinct() -> None:
    with pytest.raises(SettingsError, match="has 2 patterns named 'x'"):
        parse_settings("[[patterns]]\nname = 'x'\npattern = 'a'\n\n[[patterns]]\nname = 'x'\npattern = 'b'")


def test_among_has_all_actions_that_the_pattern_names() -> None:
    text = "[[patterns]]\nname = 'x'\npattern = 'a -> [^c]* -> (b | d)'\namong = {}"
    with pytest.raises(SettingsError, match=r"patterns.* has among without 'd', which is in its pattern"):
        parse_settings(text.format(["a", "b"]))
    assert parse_settings(text.format(["a", "b", "d"])).patterns[0].named_actions == ("a", "b", "d")


@pytest.mark.parametrize(
    ("pattern", "shortest"),
    [
        ("a -[>60s]-> b", 61),
        ("a -> (?t>=60s) -> b", 60),
        ("a -> (?t>=30s) -> b -[==30s]-> c", 60),
        ("(a -[>=1min]-> b)+ -> c", 60),
        ("(a -[>=1min]-> b){3} -> c", 180),
        ("(a -[>=1min]-> b){0,3} -> c", 0),
        ("a -> (b -[>=60s]-> c | d)", 0),
        ("a -> (b -[>=60s]-> c)? -> d", 0),
        ("a -[<60s]-> b", 0),
    ],
)
def test_within_seconds_is_as_long_as_the_limits_need(pattern: str, shortest: int) -> None:
    text = f"[[patterns]]\nname = 'x'\npattern = '{pattern}'\nwithin_seconds = "
    assert parse_settings(f"{text}{shortest}").patterns[0].within_seconds == shortest
    if shortest:
        with pytest.raises(SettingsError, match=r"patterns.* has time limits that need more than within_seconds"):
            parse_settings(f"{text}{shortest - 1}")


def test_letters_of_times_are_distinct() -> None:
    settings = parse_settings("[[patterns]]\nname = 'x'\npattern = 'a -[<=3s]-> b -[==1min]-> a'")
    [text] = texts(settings.patterns)
    assert text.gaps == (3_000_000, 60_000_000)
    letters = [letter for name in (None, "a", "b") for letter in text.letters(name)]
    assert letters == list(LETTERS[:15])
    # The letters of b are K to O: shorter than 3 s, 3 s, between, 60 s, longer; those of a are F to J.
    assert text.expression(parse_pattern("a -[<=3s]-> b -[==1min]-> a").parts[0]) == "[F-J][KL][I]"


def test_patterns_share_a_text_unless_they_limit_times() -> None:
    settings = parse_settings(
        "\n".join(
            f"[[patterns]]\nname = '{number}'\npattern = '{pattern}'\n{more}"
            for number, (pattern, more) in enumerate(
                [
                    ("a -> b", ""),
                    ("c", ""),
                    ("a -[<1s]-> a", ""),
                    ("a", "among = ['a', 'b']"),
                    ("b", "among = ['b', 'a']"),
                ]
            )
        )
    )
    assert [[name for name, _ in text.patterns] for text in texts(settings.patterns)] == [["0", "1"], ["2"], ["3", "4"]]

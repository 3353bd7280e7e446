"""Defines the types of single values in the settings. Each error states what is wrong and what to write instead.

model.py defines which setting has which type.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from functools import cache, partial
from importlib.resources import files
from math import isfinite
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from session_pipeline.errors import SettingsError
from session_pipeline.reference.column_groups import (
    DELIVERED_COLUMNS,
    EVENT_CONDITION_COLUMNS,
    LINE_COLUMNS,
    SESSION_CONDITION_COLUMNS,
)
from session_pipeline.reference.days import zone
from session_pipeline.reference.log_formats import parse_log_format
from session_pipeline.settings.conditions import parse_condition, parse_number, parse_scalar
from session_pipeline.settings.conditions.patterns import pattern_problem
from session_pipeline.settings.shortening import excerpt

_MISSPELLED = 0.85  # similarity from which a name is taken for a misspelled one


def refusal(problem: str, hint: str) -> PydanticCustomError:
    """Return an error for a validator to raise. The problem continues a sentence that begins with the key."""
    return PydanticCustomError("refused", "{problem}; {hint}", {"problem": problem, "hint": hint})


def shown(value: object) -> str:
    """Return a value as it is written in the settings file, shortened to fit into a sentence."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    return excerpt(repr(value) if isinstance(value, str) else str(value))


def closest(name: str, known: Iterable[str]) -> str:
    """Return a hint with the known name that was probably meant, or with all known names.

    The name most similar to max_seconds is min_seconds. So if a name is not just misspelled, the hint has all similar
    names that end in the same word.
    """
    names = tuple(known)
    similar = get_close_matches(name, names) or get_close_matches(name.lower(), names)
    if not similar:
        return f"write one of {', '.join(names)}"
    ending = name.rpartition("_")[2]
    of_same_ending = [each for each in similar if each.rpartition("_")[2] == ending]
    is_misspelled = bool(get_close_matches(name, similar, cutoff=_MISSPELLED))
    meant = of_same_ending if similar[0] in of_same_ending and not is_misspelled else similar[:1]
    return f"did you mean {' or '.join(meant)}?"


def parse_toml(text: str, file: str) -> dict[str, Any]:
    """Return the tables of a TOML text.

    Args:
        text: The text.
        file: How errors name its file.

    Raises:
        SettingsError: The text is not valid TOML.
    """
    try:
        found = tomllib.loads(text)
        has_long = not all(-(2**63) <= each < 2**63 for each in _integers(found))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(file, f"is not valid TOML: {error}", _toml_hint(error)) from None
    except RecursionError:
        raise SettingsError(file, "has lists that are nested too deeply", "nest lists less deeply") from None
    except ValueError:  # Python converts no integer of more than 4,300 digits
        has_long = True
    if has_long:
        raise SettingsError(
            file, "has an integer of more than 64 bits, which TOML does not know", "write a smaller one"
        )
    return found


def _integers(value: object) -> Iterator[int]:
    """Yield the integers in a value of TOML."""
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, list):
        for each in value:
            yield from _integers(each)
    elif isinstance(value, int):
        yield value


def _toml_hint(error: tomllib.TOMLDecodeError) -> str:
    """Return how to fix a text that is not TOML."""
    if str(error).startswith("Invalid value"):
        return "fix that line: strings need quotes, true and false are lower case"
    if str(error).startswith("Expected newline"):
        return "fix that line: strings and times such as '03:00' need quotes, and a date must exist"
    if re.match(r"Cannot (overwrite|declare|mutate)|Duplicate", str(error)):
        return "fix that line: write each key and each [table] once, and put all keys of a table under it"
    return "fix that line"


def distinct(what: str, name_of: Callable[[Any], str] = str) -> AfterValidator:
    """Return a validator that requires the entries of a list to have different names."""

    def check(entries: tuple[Any, ...]) -> tuple[Any, ...]:
        name, count = Counter(map(name_of, entries)).most_common(1)[0] if entries else ("", 0)
        if count > 1:
            raise refusal(f"has {count} {what} named {name!r}", "give each its own name")
        return entries

    return AfterValidator(check)


def at_most(limit: int, what: str, count: Callable[[Any], int] = len) -> BeforeValidator:
    """Return a validator that limits the length of a list. It runs first, because each entry takes time to read."""

    def check(entries: object) -> object:
        if isinstance(entries, list | dict) and (found := count(entries)) > limit:
            raise refusal(f"has {found:,} {what}", f"write at most {limit:,}")
        return entries

    return BeforeValidator(check)


def _like(pattern: str, problem: str, hint: str) -> AfterValidator:
    compiled = re.compile(pattern, re.ASCII)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise refusal(f"is {shown(text)}, which is not a valid {problem}", hint)
        return text

    return AfterValidator(check)


def _site(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", text):
        hint = "use A-Z, a-z, 0-9, ., _ and -, such as shop.example"
        with suppress(UnicodeError):
            encoded = text.encode("idna").decode()
            # Browsers encode a few letters in another way than Python: those of IDNA 2008, such as ß.
            is_certain = "xn--" in encoded and not re.search("[ßẞς\u200c\u200d]", text)
            hint = f"write {encoded}" if is_certain and re.fullmatch(r"[a-z0-9.-]{1,100}", encoded) else hint
        raise refusal(f"is {shown(text)}, which is not a valid site", hint)
    return text


def parsed_by(parse: Callable[[str], object]) -> AfterValidator:
    """Return a validator that refuses a text with the error of its parser."""

    def check(text: str) -> str:
        try:
            parse(text)
        except SettingsError as error:
            raise refusal(error.problem, error.hint) from None
        return text

    return AfterValidator(check)


def _timezone(name: str) -> str:
    try:
        zone(name)
    except ValueError:
        match = get_close_matches(name, _places(), n=1)
        hint = f"did you mean {match[0]}?" if match else "write the zone of a place, such as Europe/Berlin, or UTC"
        raise refusal(f"is {shown(name)}, which is not a time zone", hint) from None
    return name


@cache
def _places() -> tuple[str, ...]:
    """Return the zones of places. Similar abbreviations and offsets are hours away from each other."""
    names = files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    return tuple(name for name in names if "/" in name and not name.startswith("Etc/"))


def _delivered_column(name: str) -> str:
    if name not in DELIVERED_COLUMNS:
        raise refusal("is not a column that a source can provide", closest(name, DELIVERED_COLUMNS))
    return name


def _mapped_column(name: str) -> str:
    if name == "properties":
        raise refusal("cannot be an expression", "write the field in columns: properties is an object")
    return _delivered_column(name)


def usable_pattern(pattern: str, *, is_replaced: bool = False) -> str:
    """Return the pattern if it can be used.

    Args:
        pattern: A regular expression.
        is_replaced: Whether what it matches is replaced; see `pattern_problem`.

    Raises:
        PydanticCustomError: The pattern is not a regular expression, or cannot be used in this way.
    """
    if problem := pattern_problem(pattern, is_replaced=is_replaced):
        raise refusal(f"is {shown(pattern)}, which cannot be used", problem)
    return pattern


def is_label(text: str) -> bool:
    """Whether a text can be a label in settings.toml, which cannot contain half of a surrogate pair."""
    return re.fullmatch(_LABEL, text, re.ASCII) is not None and not _SURROGATES.search(text)


def checked_label(text: str) -> str:
    """Return a label.

    Raises:
        PydanticCustomError: It is not a label.
    """
    if not is_label(text):
        raise refusal(f"is {shown(text)}, which is not a valid label", "write 1 to 100 characters on one line")
    return text


def _constant(value: object) -> object:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    return str(value) if is_number else value


def _fold_pattern(pattern: str) -> str:
    usable_pattern(pattern, is_replaced=True)
    if pattern.endswith("/*"):
        raise refusal(
            f"is {shown(pattern)}, which replaces slashes", f"write {pattern[:-1]}[^/]+ for one part of a path"
        )
    return pattern


def _replacement(text: str) -> str:
    if "\\" in text or "$" in text:
        raise refusal(f"is {shown(text)}", "write it without backslash and $: engines interpret groups differently")
    return text


def _character(text: str) -> str:
    if len(text) != 1 or text in '"\r\n':
        hint = "write one character, such as ';', or \"\\t\" for a tab"
        raise refusal(f"is {shown(text)}, which is not a separator", hint)
    return text


Name = Annotated[str, _like(r"[a-z][a-z0-9_]{0,62}", "name", "use a-z, 0-9 and _, such as add_to_cart")]
_LABEL = r"[^\x00-\x1f]{1,100}"
_SURROGATES = re.compile(r"[\ud800-\udfff]")
Label = Annotated[str, _like(_LABEL, "label", "write 1 to 100 characters on one line")]
Site = Annotated[str, AfterValidator(_site)]
SourceName = Annotated[
    str,
    _like(r"(?![.])[^/\0]{1,255}", "source", 'use its folder name under raw/, in quotes if needed: [sources."a.b"]'),
]
ClockTime = Annotated[str, _like(r"([01]\d|2[0-3]):[0-5]\d", "time of day", "write hours and minutes, such as 03:00")]
MemorySize = Annotated[
    str,
    _like(r"auto|[1-9]\d*(\.\d+)?\s?[KMGT]i?B", "memory size", "write a size such as 4GB or 512MB, or auto"),
]
QueryParameter = Annotated[str, _like(r"[^\s*=&]+", "query parameter", "write the full name, such as utm_source")]
TimeZone = Annotated[str, AfterValidator(_timezone)]
Character = Annotated[str, AfterValidator(_character)]
DeliveredColumn = Annotated[str, AfterValidator(_delivered_column)]
FieldPath = Annotated[
    str,
    _like(
        r"[^\x00-\x1f.]+(\.[^\x00-\x1f.]+)*", "path of keys", "write a name, or names with dots, such as data.orders"
    ),
]
NullValue = Annotated[str, _like(r"[^\x00-\x1f]{1,40}", "text", "write 1 to 40 characters, such as NULL")]
MappedColumn = Annotated[str, AfterValidator(_mapped_column)]
AccessLogFormat = Annotated[str, parsed_by(parse_log_format)]
Constant = Annotated[str, BeforeValidator(_constant)]
FoldPattern = Annotated[str, AfterValidator(_fold_pattern)]
Replacement = Annotated[str, AfterValidator(_replacement)]
EventCondition = Annotated[str, parsed_by(partial(parse_condition, columns=EVENT_CONDITION_COLUMNS, key=""))]
SessionCondition = Annotated[str, parsed_by(partial(parse_condition, columns=SESSION_CONDITION_COLUMNS, key=""))]
EventNumber = Annotated[str, parsed_by(partial(parse_number, columns=EVENT_CONDITION_COLUMNS, key=""))]
EventScalar = Annotated[str, parsed_by(partial(parse_scalar, columns=EVENT_CONDITION_COLUMNS, key=""))]
LineCondition = Annotated[str, parsed_by(partial(parse_condition, columns=LINE_COLUMNS, key=""))]
LineScalar = Annotated[str, parsed_by(partial(parse_scalar, columns=LINE_COLUMNS, key=""))]
LineText = Annotated[str, AfterValidator(usable_pattern)]
# TOML values are lists, and settings are tuples.
Listed = Field(strict=False)

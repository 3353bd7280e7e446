"""Formats figures for people, in English: numbers, shares, changes, days and labels.

The texts do not depend on the language of the machine.
"""

import re
from datetime import date, datetime
from unicodedata import bidirectional

NOTHING = "–"
MINUS = "−"
THIN_SPACE = "\N{NARROW NO-BREAK SPACE}"

ENCODED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
KEPT_ENCODED = frozenset("/%?#")  # they have a meaning in an address
JOINERS = dict.fromkeys(map(ord, "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"))  # of Persian and of emojis
ISOLATE, END_OF_ISOLATE = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
ISOLATE_OF_PATH = "\N{LEFT-TO-RIGHT ISOLATE}"  # its first slash stays first
DIRECTIONS = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))  # invisible characters that reorder texts
RIGHT_TO_LEFT = frozenset(("R", "AL", "AN"))
# Control characters, halves of pairs and what is no character. Browsers do not show an SVG file with one at all.
FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
LENGTH, FULL_LENGTH = 60, 300  # of names: shown, and in the list of long names
SESSION = re.compile(r"(?<![\w/-])[Ss]ession(?=s?\b(?![/-]))")

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def number(value: float | None) -> str:
    """Format a count: 12,345."""
    return NOTHING if value is None else _signed(f"{value:,.0f}")


def counted(count: int, noun: str) -> str:
    """Format a count with its noun: 1 visit, 3,480 visits."""
    return f"{number(count)} {noun}" + ("" if count == 1 else "s")


def money(value: float | None, currency: str | None) -> str:
    """Format a sum with its currency, if it has one."""
    if value is None:
        return NOTHING
    return _signed(f"{value:,.2f}") + (f"{THIN_SPACE}{currency}" if currency else "")


def unit_among_others(currency: str | None) -> str:
    """Return the unit of a sum that stands next to sums in other currencies."""
    return currency or "without a currency"


def money_among_others(value: float, currency: str | None) -> str:
    """Format a sum that stands next to sums in other currencies, rounded as they are."""
    return f"{rounded(value)}{THIN_SPACE}{unit_among_others(currency)}"


def rounded(value: float | None) -> str:
    """Format a sum for a headline: without decimals from 1,000 on."""
    return money(value, None) if value is None or abs(value) < 1000 else number(value)


def percent(share: float | None) -> str:
    """Format a share from 0 to 1: 12.3 %. Only 0 is 0.0 %, and only 1 is 100.0 %."""
    if share is None:
        return NOTHING
    if 0 < share < 0.0005:
        return f"<0.1{THIN_SPACE}%"
    text = f"{share * 100:.1f}"
    return f"{'>99.9' if text == '100.0' and share < 1 else text}{THIN_SPACE}%"


def interval(low: float | None, high: float | None) -> str:
    """Format the bounds of a share: 12.3–14.5 %."""
    if low is None or high is None:
        return NOTHING
    return f"{low * 100:.1f}–{high * 100:.1f}{THIN_SPACE}%"


def points(change: float | None) -> str:
    """Format a difference of shares in percentage points: +1.2 pp."""
    if change is None:
        return NOTHING
    text = f"{change * 100:+.1f}"
    return f"±0.0{THIN_SPACE}pp" if text in ("+0.0", "-0.0") else f"{_signed(text)}{THIN_SPACE}pp"


def growth(now: float | None, before: float | None) -> str:
    """Format a change relative to the value before: +12.0 %. A value of 0 or below, as after refunds, has none."""
    if now is None or before is None or before <= 0:
        return NOTHING
    text = f"{(now / before - 1) * 100:+,.1f}"
    return f"±0.0{THIN_SPACE}%" if text in ("+0.0", "-0.0") else f"{_signed(text)}{THIN_SPACE}%"


def day(value: date) -> str:
    """Format a day without its year: Sat 24 Oct."""
    return f"{WEEKDAYS[value.weekday()]} {short_day(value)}"


def short_day(value: date) -> str:
    """Format a day without its weekday and year: 24 Oct."""
    return f"{value.day} {MONTHS[value.month - 1]}"


def full_day(value: date) -> str:
    """Format a day: Sat 24 Oct 2026."""
    return f"{day(value)} {value.year}"


def short_days(first: date, last: date) -> str:
    """Format the days from first to last, both included, without the year: 18–24 Oct."""
    if first.month == last.month:
        return f"{first.day}–{short_day(last)}"
    return f"{short_day(first)} – {short_day(last)}"


def days(first: date, last: date) -> str:
    """Format the days from first to last, both included: 18–24 Oct 2026."""
    if first.year == last.year:
        return f"{short_days(first, last)} {last.year}"
    return f"{short_day(first)} {first.year} – {short_day(last)} {last.year}"


def moment(value: datetime) -> str:
    """Format a time in UTC, to the minute."""
    return f"{full_day(value)}, {value.hour:02}:{value.minute:02} UTC"


def duration(seconds: int) -> str:
    """Format a duration in its largest whole unit: 7 days."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        if seconds % length == 0:
            return counted(seconds // length, unit)
    raise AssertionError("every number of seconds is whole seconds")


def short_duration(seconds: float | None) -> str:
    """Format a duration for reading: 40 s, 3 min, 1.5 h."""
    if seconds is None:
        return NOTHING
    if seconds < 90:
        return f"{seconds:.0f}{THIN_SPACE}s"
    return f"{seconds / 60:.0f}{THIN_SPACE}min" if seconds < 5400 else f"{seconds / 3600:.1f}{THIN_SPACE}h"


def words(name: str) -> str:
    """Format a name from the settings or an event name as words: add_to_cart becomes add to cart."""
    return name.replace("_", " ")


def in_visits(text: str) -> str:
    """Write a text about tables in the words of the report: visits instead of sessions."""
    return SESSION.sub(lambda match: "Visit" if match[0][0] == "S" else "visit", text)


def shortened(text: str, length: int = LENGTH) -> str:
    """Shorten a text to at most `length` characters, in its middle: long paths often differ at the end only."""
    end = (length - 1) // 2
    return text if len(text) <= length else f"{text[: length - 1 - end]}…{text[len(text) - end :]}"


def full(text: str) -> str:
    """Return a text that shortened() shortens, for the list of long names; else nothing. Paths can be very long."""
    return "" if len(text) <= LENGTH else shortened(text, FULL_LENGTH)


def decoded(path: str) -> str:
    """Decode a percent-encoded path for reading. What is no text, or has a meaning in an address, stays encoded."""
    return ENCODED.sub(lambda match: _decoded(match[0]), path)


def _decoded(encoded: str) -> str:
    try:
        text = bytes.fromhex(encoded.replace("%", "")).decode()
    except UnicodeDecodeError:
        return encoded
    return text if text.translate(JOINERS).isprintable() and KEPT_ENCODED.isdisjoint(text) else encoded


def isolated(name: str) -> str:
    """Isolate a name with characters from right to left, so that it does not reorder the sentence it is in."""
    name = name.translate(DIRECTIONS)
    is_mixed = any(bidirectional(character) in RIGHT_TO_LEFT for character in name)
    isolate = ISOLATE_OF_PATH if name.startswith("/") else ISOLATE
    return f"{isolate}{name}{END_OF_ISOLATE}" if is_mixed else name


def allowed(text: str) -> str:
    """Replace each character that a page or an image must not contain, not even escaped."""
    return FORBIDDEN.sub(REPLACEMENT, text)


def sentence_start(text: str) -> str:
    """Capitalize the first letter of a text."""
    return text[:1].upper() + text[1:]


def _signed(text: str) -> str:
    return text.replace("-", MINUS)

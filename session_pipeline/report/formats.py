"""How figures are written for people: numbers, shares, changes, days, labels.

Knows English and nothing of the figures' meaning. Texts do not depend on the machine's language.
"""

from datetime import date, datetime

NOTHING = "–"
MINUS = "−"
THIN_SPACE = "\N{NARROW NO-BREAK SPACE}"

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def number(value: float | None) -> str:
    """A count: 12,345."""
    return NOTHING if value is None else _signed(f"{value:,.0f}")


def counted(count: int, noun: str) -> str:
    """A count of things: 1 visit, 3,480 visits."""
    return f"{number(count)} {noun}" + ("" if count == 1 else "s")


def money(value: float | None, currency: str | None) -> str:
    """A sum with its currency, where it has one; XXX says that several were mixed in a visit."""
    if value is None:
        return NOTHING
    unit = "in mixed currencies" if currency == "XXX" else currency or ""
    return _signed(f"{value:,.2f}") + (f"{THIN_SPACE}{unit}" if unit else "")


def percent(share: float | None) -> str:
    """A share from 0 to 1: 12.3 %."""
    if share is None:
        return NOTHING
    if 0 < share < 0.0005:
        return f"<0.1{THIN_SPACE}%"
    return f"{share * 100:.1f}{THIN_SPACE}%"


def interval(low: float | None, high: float | None) -> str:
    """Two ends of a share: 12.3–14.5 %."""
    if low is None or high is None:
        return NOTHING
    return f"{low * 100:.1f}–{high * 100:.1f}{THIN_SPACE}%"


def points(change: float | None) -> str:
    """A difference of shares in percentage points: +1.2 pp."""
    if change is None:
        return NOTHING
    text = f"{change * 100:+.1f}"
    return f"±0.0{THIN_SPACE}pp" if text in ("+0.0", "-0.0") else f"{_signed(text)}{THIN_SPACE}pp"


def growth(now: float | None, before: float | None) -> str:
    """A change as a share of what was before: +12 %."""
    if now is None or not before:
        return NOTHING
    text = f"{(now / before - 1) * 100:+.1f}"
    return f"±0.0{THIN_SPACE}%" if text in ("+0.0", "-0.0") else f"{_signed(text)}{THIN_SPACE}%"


def day(value: date) -> str:
    """A day within the year: Sat 24 Oct."""
    return f"{WEEKDAYS[value.weekday()]} {value.day} {MONTHS[value.month - 1]}"


def full_day(value: date) -> str:
    """A day: Sat 24 Oct 2026."""
    return f"{day(value)} {value.year}"


def short_days(first: date, last: date) -> str:
    """Days from first to last, both included, within the year: 18–24 Oct."""
    if first.month == last.month:
        return f"{first.day}–{last.day} {MONTHS[last.month - 1]}"
    return f"{first.day} {MONTHS[first.month - 1]} – {last.day} {MONTHS[last.month - 1]}"


def days(first: date, last: date) -> str:
    """Days from first to last, both included: 18–24 Oct 2026."""
    if first.year == last.year:
        return f"{short_days(first, last)} {last.year}"
    return f"{first.day} {MONTHS[first.month - 1]} {first.year} – {last.day} {MONTHS[last.month - 1]} {last.year}"


def moment(value: datetime) -> str:
    """A time in UTC, to the minute."""
    return f"{full_day(value)}, {value.hour:02}:{value.minute:02} UTC"


def duration(seconds: int) -> str:
    """A span in its largest whole unit: 7 days."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        if seconds % length == 0:
            return counted(seconds // length, unit)
    raise AssertionError("every number of seconds is whole seconds")


def words(name: str) -> str:
    """A name of the settings or an event as words: add_to_cart is add to cart."""
    return name.replace("_", " ")


def shortened(text: str, length: int = 60) -> str:
    """A text of at most so many characters: a path that somebody made up may be a thousand long."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def sentence_start(text: str) -> str:
    """A text with a capital letter in front."""
    return text[:1].upper() + text[1:]


def _signed(text: str) -> str:
    return text.replace("-", MINUS)

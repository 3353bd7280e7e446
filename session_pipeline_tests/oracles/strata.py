"""Compares sessions with and without a factor at matched moments, in plain Python: rates, their difference and tests.

opportunity_rows.py counts the sessions of each moment.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import erfc, sqrt

from session_pipeline_tests.oracles.opportunities import Session

PARTS = 2**30  # fractions are rounded to multiples of 1 / PARTS before they are added


@dataclass
class Stratum:
    """Sessions with and without a factor at one moment: n1 and n0, of which a and c converted.

    converted is how many of all sessions at the moment converted later, and value that of their later conversions, also
    of sessions that had the signal earlier. example is the lowest id.
    """

    n1: int = 0
    a: int = 0
    n0: int = 0
    c: int = 0
    converted: int = 0
    value: Decimal | None = None
    example: str | None = None

    def add_with(self, session: Session, *, is_example: bool) -> None:
        self.n1 += 1
        self.a += session.is_converted
        if is_example:
            self.example = min(self.example or session.session_id, session.session_id)

    def add_without(self, session: Session) -> None:
        self.n0 += 1
        self.c += session.is_converted


def mantel_haenszel(strata: Iterable[Stratum]) -> dict[str, float]:
    """Return the difference with its interval (Sato 1989) and the score (Mantel and Haenszel 1959)."""
    matched = [each for each in strata if each.n1 and each.n0]
    total = {name: Fraction(0) for name in ("with", "without", "weight", "p", "q", "expected", "variance")}
    for s in matched:
        n = s.n1 + s.n0
        parts = {
            "with": Fraction(s.a * s.n0, n),
            "without": Fraction(s.c * s.n1, n),
            "weight": Fraction(s.n1 * s.n0, n),
            "p": Fraction(2 * (s.n1**2 * s.c - s.n0**2 * s.a) + s.n1 * s.n0 * (s.n0 - s.n1), 2 * n**2),
            "q": Fraction(s.a * (s.n0 - s.c) + s.c * (s.n1 - s.a), 2 * n),
            "expected": Fraction(s.n1 * (s.a + s.c), n),
            "variance": Fraction(s.n1 * s.n0 * (s.a + s.c) * (n - s.a - s.c), n**2 * (n - 1)),
        }
        for name, part in parts.items():
            total[name] += Fraction(round(part * PARTS), PARTS)
    difference = (total["with"] - total["without"]) / total["weight"]
    margin = 1.959963984540054 * sqrt(max(difference * total["p"] + total["q"], 0)) / total["weight"]
    surplus = sum(s.a for s in matched) - total["expected"]
    return {
        "rate_with": float(total["with"] / total["weight"]),
        "rate_without": float(total["without"] / total["weight"]),
        "difference": float(difference),
        "difference_low": max(float(difference) - margin, -1.0),
        "difference_high": min(float(difference) + margin, 1.0),
        "expected": float(total["expected"]),
        "variance": float(total["variance"]),
        "score": float(surplus) / sqrt(total["variance"]) if total["variance"] else 0.0,
    }


def yekutieli(p_values: Sequence[float]) -> list[float]:
    """Return the q-value of each test (Benjamini and Yekutieli 2001)."""
    count = len(p_values)
    harmonic = sum(1 / number for number in range(1, count + 1))
    ordered = sorted(p_values)
    return [
        min(1.0, *(ordered[place] * count * harmonic / (place + 1) for place in range(count) if ordered[place] >= p))
        for p in p_values
    ]


def two_sided(score: float) -> float:
    return erfc(abs(score) / sqrt(2))

"""Computes the tables of visitors from a list of sessions, directly from their definitions.

Each function looks at all sessions of all days, so that it has no state, no blocks and no order of days.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

ONE_DAY = timedelta(days=1)
Visitor = tuple[str, str]  # site, visitor_id
Row = dict[str, Any]


@dataclass(frozen=True)
class Visit:
    """A session of one event, in UTC."""

    site: str
    visitor_id: str
    at: datetime
    is_converted: bool = False
    value: Decimal | None = None
    user_id: str | None = None
    campaign: str | None = None
    is_bot: bool = False

    @property
    def day(self) -> date:
        return self.at.date()


def by_visitor(visits: Iterable[Visit]) -> Mapping[Visitor, list[Visit]]:
    """Return the sessions of each visitor in order, without those of bots."""
    found: dict[Visitor, list[Visit]] = defaultdict(list)
    for visit in sorted(visits, key=lambda visit: visit.at):
        if not visit.is_bot:
            found[visit.site, visit.visitor_id].append(visit)
    return found


def total(visits: Iterable[Visit]) -> Decimal | None:
    values = [visit.value for visit in visits if visit.is_converted and visit.value is not None]
    return sum(values, Decimal()) if values else None


def first_conversion(visits: Iterable[Visit]) -> Visit | None:
    return next((visit for visit in visits if visit.is_converted), None)


def visitor_days(visits: Iterable[Visit]) -> list[Row]:
    rows = []
    for (site, visitor_id), own in by_visitor(visits).items():
        days = sorted({visit.day for visit in own})
        for day in days:
            on_day = [visit for visit in own if visit.day == day]
            earlier = [other for other in days if other < day]
            converted = first_conversion(visit for visit in own if visit.day <= day)
            before = earlier[-1] if earlier else None
            rows.append(
                {
                    "session_date": day,
                    "site": site,
                    "visitor_id": visitor_id,
                    "lifecycle": lifecycle(day, before),
                    "visit_number": own.index(on_day[0]) + 1,
                    "first_visit_date": days[0],
                    "previous_visit_date": before,
                    "days_since_last_visit": (day - before).days if before else None,
                    "first_conversion_date": converted.day if converted else None,
                    "session_count": len(on_day),
                    "converted_count": sum(visit.is_converted for visit in on_day),
                    "value": total(on_day),
                }
            )
    return sorted(rows, key=lambda row: (row["session_date"], row["site"], row["visitor_id"]))


def lifecycle(day: date, before: date | None) -> str:
    if before is None:
        return "new"
    return "returning" if before == day - ONE_DAY else "resurrected"


def daily_visitors(visits: Iterable[Visit], until: date) -> list[Row]:
    seen: dict[str, dict[date, set[str]]] = defaultdict(lambda: defaultdict(set))
    for (site, visitor_id), own in by_visitor(visits).items():
        for visit in own:
            seen[site][visit.day].add(visitor_id)
    rows = []
    for site, days in seen.items():
        for day in sorted({*days, *(day + ONE_DAY for day in days if day < until)}):
            now, before = days.get(day, set()), days.get(day - ONE_DAY, set())
            ever = set().union(*(visitors for earlier, visitors in days.items() if earlier < day))
            rows.append(
                {
                    "session_date": day,
                    "site": site,
                    "visitor_count": len(now),
                    "new_count": len(now - ever),
                    "returning_count": len(now & before),
                    "resurrected_count": len((now & ever) - before),
                    "dormant_count": len(before - now),
                }
            )
    return sorted(rows, key=lambda row: (row["session_date"], row["site"]))


def visitors(visits: Iterable[Visit]) -> list[Row]:
    rows = []
    for (site, visitor_id), own in by_visitor(visits).items():
        converted = first_conversion(own)
        rows.append(
            {
                "site": site,
                "visitor_id": visitor_id,
                "user_id": next((visit.user_id for visit in own if visit.user_id is not None), None),
                "first_seen_at": own[0].at,
                "last_seen_at": own[-1].at,
                "first_visit_date": own[0].day,
                "last_visit_date": own[-1].day,
                "first_utm_campaign": own[0].campaign,
                "first_converted_at": converted.at if converted else None,
                "session_count": len(own),
                "converted_session_count": sum(visit.is_converted for visit in own),
                "value": total(own),
            }
        )
    return sorted(rows, key=lambda row: (row["site"], row["visitor_id"]))


def retention(visits: Sequence[Visit], days: int, weeks: int) -> list[Row]:
    of_visitors = by_visitor(visits)
    if not of_visitors:
        return []
    last = max(visit.day for own in of_visitors.values() for visit in own)
    cohorts: dict[tuple[str, str, date], list[set[date]]] = defaultdict(list)
    for (site, _), own in of_visitors.items():
        came = {visit.day for visit in own}
        cohorts[site, "first_visit", own[0].day].append(came)
        if converted := first_conversion(own):
            cohorts[site, "first_conversion", converted.day].append(came)
    rows = []
    for (site, cohort, cohort_date), members in cohorts.items():
        for period, length, most in (("day", 1, days), ("week", 7, weeks)):
            for number in range(most + 1):
                of_period = [cohort_date + timedelta(days=number * length + offset) for offset in range(length)]
                if of_period[0] <= last:
                    rows.append(
                        {
                            "site": site,
                            "cohort": cohort,
                            "period": period,
                            "cohort_date": cohort_date,
                            "periods_after": number,
                            "visitor_count": len(members),
                            "returned_count": sum(not came.isdisjoint(of_period) for came in members),
                            "is_period_over": of_period[-1] <= last,
                        }
                    )
    return sorted(rows, key=lambda row: [row[name] for name in list(row)[:5]])


def lifecycle_breakdown(visits: Sequence[Visit]) -> list[Row]:
    """Return the rows of daily_breakdowns for the dimension lifecycle; sessions of bots have no life cycle."""
    days = {(row["session_date"], row["site"], row["visitor_id"]): row["lifecycle"] for row in visitor_days(visits)}
    counts: dict[tuple[date, str, str], Counter[str]] = defaultdict(Counter)
    for visit in visits:
        found = days.get((visit.day, visit.site, visit.visitor_id))
        key = visit.day, visit.site, "(none)" if visit.is_bot or found is None else found
        counts[key].update({"bot_session_count" if visit.is_bot else "session_count": 1})
        counts[key].update({"converted_count": int(visit.is_converted and not visit.is_bot)})
    names = ("session_count", "converted_count", "bot_session_count")
    return [
        {
            "session_date": day,
            "site": site,
            "dimension_value": value,
            **{name: counts[day, site, value][name] for name in names},
            "new_session_count": counts[day, site, value]["session_count"] if value == "new" else 0,
            "new_converted_count": counts[day, site, value]["converted_count"] if value == "new" else 0,
        }
        for day, site, value in sorted(counts)
    ]

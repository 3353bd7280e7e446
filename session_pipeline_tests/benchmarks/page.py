"""Writes docs/performance.md from what the parts measured.

The budgets and the text are here; the figures come from the results. Parts that were not measured are left out.
"""

import os
import platform
from collections.abc import Callable, Mapping
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from session_pipeline_tests.benchmarks.generate import DATA_SETS
from session_pipeline_tests.benchmarks.measure import Measured
from session_pipeline_tests.benchmarks.parts import CORE, OURS, PEERS, SCRIPT, Part
from session_pipeline_tests.documents import ROOT, as_table

PAGE = ROOT / "docs" / "performance.md"
EXPLAINED = Path(__file__).with_name("explained.md")
PACKAGES = ("duckdb", "dagster", "pyarrow", *PEERS[1:])
GIB = 2**30
QUIET = 0.2  # cores that other programs may use on a machine that counts as quiet
MISSING = "not measured"
STANDARD = {"large": "10,000,000 events", "year": "109,500 events"}  # the sizes that the budgets are for

COMPARED = """
The data is generated, the same on every machine. Each tool reads the files, drops copies, cuts sessions after 30
minutes, and writes events, sessions, actions and outcomes as Parquet; the script and the project also as a DuckDB file.
Contenders run in turn, each in a process of its own. `session_pipeline` does everything: all tables, checks, report,
Dagster. *Its core* makes the same tables as the script; it also judges and counts each line, and keeps the raw events.
*Script* is what an analyst writes by hand for DuckDB (`benchmarks/peers/script.sql`). Only it, pandas and the project
read nested properties. Retentioneering cuts sessions and writes events. *Times* are relative to the script.
""".strip()

Results = Mapping[str, Part]
Figure = Callable[[Results], float | None]


def typical(part: str, contender: str, what: str) -> Figure:
    """Return a function that gives the median of a figure; None where it was not measured."""

    def figure(results: Results) -> float | None:
        measured = results[part].measured.get(contender) if part in results else None
        return measured.typical(what) if measured else None

    return figure


def ratio(above: Figure, below: Figure) -> Figure:
    """Return a function that divides two figures."""

    def figure(results: Results) -> float | None:
        one, other = above(results), below(results)
        return one / other if one is not None and other else None

    return figure


def _ratio_to_script(contender: str, what: str) -> Figure:
    return ratio(typical("large", contender, what), typical("large", SCRIPT, what))


# What is limited, the unit, how it is measured, before, at most, aim
BUDGETS: tuple[tuple[str, str, Figure, str, float, float | None], ...] = (
    ("shop, half a year, files to report", "s", typical("shop", OURS, "seconds"), "183", 15, 8),
    ("sample, first run", "s", typical("sample", OURS, "seconds"), "16", 6, 4),
    ("one more small day on 180 days", "s", typical("fixed", "run, one more small day", "seconds"), "13", 4, 2.5),
    ("nothing to do", "s", typical("fixed", "run, nothing to do", "seconds"), "1.9 CPU", 1, 0.7),
    ("`plan`", "s", typical("fixed", "plan", "seconds"), "1.8 CPU", 1, None),
    ("`status`", "s", typical("fixed", "status", "seconds"), "4.0 CPU", 1, None),
    ("a year of 300 lines a day, first run", "s", typical("year", OURS, "seconds"), "390 CPU", 35, 20),
    ("large, core, relative to the script", "times", _ratio_to_script(CORE, "seconds"), "", 2.5, 2.0),
    ("large, core, in CPU seconds", "times", _ratio_to_script(CORE, "cpu_seconds"), "", 2.5, 2.0),
    ("large, everything, relative to the script", "times", _ratio_to_script(OURS, "seconds"), "6.8", 3.2, 2.6),
    ("large, everything, in CPU seconds", "times", _ratio_to_script(OURS, "cpu_seconds"), "", 3.2, 2.6),
    (
        "day 365 relative to day 2",
        "times",
        ratio(typical("late_day", "day 365", "seconds"), typical("late_day", "day 2", "seconds")),
        "",
        1.1,
        None,
    ),
    ("large, peak memory", "GiB", ratio(typical("large", OURS, "memory"), lambda results: GIB), "", 2, None),
    ("`--help`", "CPU s", typical("fixed", "--help", "cpu_seconds"), "0.8", 0.3, None),
    ("`query`", "CPU s", typical("fixed", "query", "cpu_seconds"), "0.7", 0.5, None),
)


def page(results: Results, facts: Mapping[str, Mapping[str, str]]) -> str:
    """Return the page.

    Args:
        results: What was measured, by part.
        facts: When and on which machine each part was measured.
    """
    sections = [
        "# Performance",
        "This page is written by `python -m session_pipeline_tests.benchmarks --write`. Do not edit it by hand.",
        *_machine(results, facts),
        "## Budgets",
        "The limits are for 2 quiet cores, for whole processes, as medians. *Before* is the version before stretches.",
        *_smaller(results),
        _budgets(results),
        "Publishing with 10 GB of history (`python -m session_pipeline_tests.benchmarks.long_history`), one visitor"
        " with 90 % of the events, and limits of memory were measured by hand, see"
        " [performance experiments](performance_experiments.md).",
        "## Compared with other tools",
        COMPARED,
        *(text for name in DATA_SETS if name in results for text in _comparison(name, results[name])),
        *_stages(results),
        *_fixed(results),
        *_queries(results),
        EXPLAINED.read_text().strip(),
    ]
    return "\n\n".join(section.strip() for section in sections) + "\n"


def machine() -> dict[str, str]:
    """Return what the figures depend on, as text."""
    with open("/proc/cpuinfo") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    return {
        "machine": f"{os.cpu_count()} cores, {models[0] if models else platform.machine()}, {memory:.0f} GiB",
        "versions": ", ".join(f"{name} {number}" for name, number in found.items()),
    }


def _machine(results: Results, facts: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return the machine and the versions once if they are the same for all parts, and when each was measured."""
    texts = []
    for what in ("machine", "versions"):
        distinct = {fact[what] for fact in facts.values()}
        texts += [f"{what.capitalize()}: {text}." for text in sorted(distinct)]
    rows = [(name, results[name].size, fact["date"], Decimal(fact["others"])) for name, fact in facts.items()]
    texts.append(as_table(["part", "size", "measured", "cores used by others"], rows))
    if any(float(fact["others"]) > QUIET for fact in facts.values()):
        texts.append("**Other programs used the machine meanwhile**: compare CPU seconds, not seconds.")
    return texts


def _smaller(results: Results) -> list[str]:
    """Return a warning if the data is smaller than that of the budgets."""
    sizes = [f"`{name}` has {results[name].size}" for name in STANDARD if name in results]
    if all(results[name].size == size for name, size in STANDARD.items() if name in results):
        return []
    return [
        f"**These are not the sizes of the budgets:** {', '.join(sizes)}, instead of {', '.join(STANDARD.values())}."
    ]


def _budgets(results: Results) -> str:
    rows = []
    for what, unit, figure, before, limit, aim in BUDGETS:
        measured = figure(results)
        shown = MISSING if measured is None else f"**{measured:.2f}**"
        is_other_size = any(
            name in results and results[name].size != size and what.removeprefix("a ").startswith(name)
            for name, size in STANDARD.items()
        )
        verdict = "" if measured is None or is_other_size else "yes" if measured <= limit else "no"
        rows.append((what, unit, before, f"{limit:g}", f"{aim:g}" if aim else "", shown, verdict))
    return as_table(["what", "unit", "before", "at most", "aim", "measured", "holds"], rows)


def _comparison(name: str, part: Part) -> list[str]:
    heading = f"### {name}: {DATA_SETS[name].meaning}; {part.size}" if part.size else f"### {name}"
    base = part.measured.get(SCRIPT, Measured())
    expected = base.sessions if base.sessions is not None else part.measured[OURS].sessions
    rows, notes = [], []
    for contender, measured in part.measured.items():
        if measured.note:
            notes.append(f"- {contender}: {measured.note}")
        if not measured.seconds:
            continue
        rows.append(
            (
                contender,
                len(measured.seconds),
                *(_number(measured.typical(what)) for what in ("seconds", "cpu_seconds")),
                Decimal(f"{(measured.typical('memory') or 0) / GIB:.2f}"),
                *(_times(measured, base, what) for what in ("seconds", "cpu_seconds")),
                f"{measured.sessions:,}" + ("" if measured.sessions == expected else " (**differs**)"),
            )
        )
    headings = ["", "rounds", "seconds", "CPU seconds", "GiB", "times", "times in CPU", "sessions"]
    return [heading, *([as_table(headings, rows)] if rows else []), *(["\n".join(notes)] if notes else [])]


def _stages(results: Results) -> list[str]:
    for name in ("large", "medium"):
        if name in results and results[name].stages:
            rows = [(stage, *(_number(each) for each in times)) for stage, times in results[name].stages.items()]
            return [f"## Stages of {name}", "`run --profile`:", as_table(["stage", "seconds", "CPU seconds"], rows)]
    return []


def _fixed(results: Results) -> list[str]:
    texts = ["## Fixed costs"]
    for name in ("sample", "fixed", "late_day"):
        if name not in results:
            continue
        rows = [
            (what, len(measured.seconds), *(_number(measured.typical(each)) for each in ("seconds", "cpu_seconds")))
            for what, measured in results[name].measured.items()
            if measured.seconds
        ]
        texts += [f"{name}: {results[name].size}", as_table(["", "rounds", "seconds", "CPU seconds"], rows)]
    return texts if len(texts) > 1 else []


def _queries(results: Results) -> list[str]:
    if "queries" not in results:
        return []
    found = results["queries"].milliseconds
    layouts = list(next(iter(found.values())))
    rows = [
        (query, *("{:,.0f} / {:,.0f}".format(*cells[layout]) if layout in cells else "" for layout in layouts))
        for query, cells in found.items()
    ]
    text = f"Ten queries over {results['queries'].size}, in milliseconds: median / 95th percentile."
    return ["## Queries", text, as_table(["query", *layouts], rows)]


def _number(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(f"{value:.2f}" if value < 10 else f"{value:.1f}")


def _times(measured: Measured, base: Measured, what: str) -> Decimal | None:
    one, other = measured.typical(what), base.typical(what)
    return Decimal(f"{one / other:.1f}") if one is not None and other else None

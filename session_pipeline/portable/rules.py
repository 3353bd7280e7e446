"""Forms of SQL that DuckDB and Spark do not share, found in sqlglot's tree.

Knows trees, one node at a time. Does not know functions that are never shared: they are in names.py.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from session_pipeline.portable.types import is_date, is_decimal, is_double, may_be_zero


@dataclass(frozen=True)
class Rule:
    """A form to avoid.

    Attributes:
        kinds: Nodes that may have it.
        construct: Its name.
        why: What the engines do with it.
        instead: What to write.
        breaks: Whether a node of these kinds has it.
    """

    kinds: type[exp.Expr] | tuple[type[exp.Expr], ...]
    construct: str
    why: str
    instead: str
    breaks: Callable[[Any], bool] = lambda node: True


_WHOLE = (exp.DType.BIGINT, exp.DType.INT, exp.DType.SMALLINT, exp.DType.TINYINT)
_STORED = (
    exp.DType.BIGINT,
    exp.DType.INT,
    exp.DType.TEXT,
    exp.DType.VARCHAR,
    exp.DType.DOUBLE,
    exp.DType.BOOLEAN,
    exp.DType.DATE,
    exp.DType.TIMESTAMP,
    exp.DType.TIMESTAMPNTZ,
    exp.DType.DECIMAL,
    exp.DType.ARRAY,
    exp.DType.LIST,
    exp.DType.STRUCT,
)
_DATE_PARTS = ("YEAR", "QUARTER", "MONTH", "DAY", "HOUR", "MINUTE")
_NEEDS_ORDER = (
    exp.RowNumber,
    exp.Rank,
    exp.DenseRank,
    exp.Lag,
    exp.Lead,
    exp.FirstValue,
    exp.LastValue,
    exp.NthValue,
    exp.Ntile,
)


def _divides_decimals(division: exp.Div) -> bool:
    sides = (division.left, division.right)
    return any(map(is_decimal, sides)) and not any(map(is_double, sides))


def _differs_in_days(difference: exp.DateDiff) -> bool:
    unit = difference.text("unit").upper()
    is_of_dates = is_date(difference.this) and is_date(difference.expression)
    return unit != "MICROSECOND" and not (unit == "DAY" and is_of_dates)


def _part(window: exp.Window, part: str) -> exp.Expr | None:
    """A part of a window, its own or that of the named window it is made from."""
    own = window.args.get(part)
    select = window.parent_select
    if own is not None or select is None or not window.alias:
        return own
    named = [other for other in select.args.get("windows") or () if other.name == window.alias]
    return _part(named[0], part) if named else None


def _lacks_order(window: exp.Window) -> bool:
    if isinstance(window.this, exp.Identifier) or _part(window, "order") is not None:
        return False
    frame = _part(window, "spec")
    counts_rows = frame is not None and frame.text("kind").upper() == "ROWS"
    return counts_rows or window.this.find(*_NEEDS_ORDER) is not None


def _is_unsorted(listed: exp.ArrayAgg) -> bool:
    holder = listed.parent.parent if isinstance(listed.parent, exp.Filter) else listed.parent
    return isinstance(listed.this, exp.Order) or not isinstance(holder, exp.ArraySort)


def _replaces_otherwise(function: exp.RegexpReplace) -> bool:
    # DuckDB replaces the first match unless told `g`, Spark all; groups are \1 for the one and $1 for the other.
    return function.text("modifiers") != "g" or bool(re.search(r"[\\$]", function.text("replacement")))


def _hides_a_column(select: exp.Select) -> bool:
    sources = [select.args.get("from_"), *(select.args.get("joins") or ())]
    tables = {source.this.alias_or_name for source in sources if source is not None}
    columns = select.find_all(exp.Column)
    return any(column.name in tables for column in columns if column.parent_select is select)


def _is_in_last_select(star: exp.Star) -> bool:
    holder = star.parent.parent if isinstance(star.parent, exp.Column) else star.parent
    if not isinstance(holder, exp.Select):
        return False
    while isinstance(holder.parent, exp.SetOperation | exp.Subquery):
        holder = holder.parent
    return holder.parent is None


RULES: tuple[Rule, ...] = (
    Rule(
        (exp.Div, exp.IntDiv, exp.Mod),
        "division by what may be zero",
        "is infinite or raises on DuckDB, raises on Spark",
        "x / nullif(y, 0)",
        lambda node: may_be_zero(node.expression),
    ),
    Rule(
        exp.Div,
        "division of decimals",
        "gives a double on DuckDB, a rounded decimal on Spark",
        "cast(x as double) / nullif(y, 0)",
        _divides_decimals,
    ),
    Rule(
        exp.Sum,
        "sum of doubles",
        "its last digits depend on threads",
        "sums of integers or decimals, and divide last",
        lambda node: is_double(node.this),
    ),
    Rule(
        exp.Cast,
        "double cast to an integer",
        "DuckDB rounds, Spark cuts off",
        "cast(floor(x) as bigint)",
        lambda node: node.to.is_type(*_WHOLE) and is_double(node.this),
    ),
    Rule(
        exp.Cast,
        "double cast to text",
        "large and small ones are spelled otherwise",
        "the number itself",
        lambda node: node.to.is_type(*exp.DataType.TEXT_TYPES) and is_double(node.this),
    ),
    Rule(
        exp.TryCast,
        "try_cast to an integer",
        "takes '1.9' on DuckDB, gives NULL on Spark",
        "case when regexp_matches(x, '^[0-9]{1,18}$') then cast(x as bigint) end",
        lambda node: node.to.is_type(*_WHOLE),
    ),
    Rule(
        exp.DataType,
        "a type that is not shared",
        "Spark lacks it, or reads its files as another",
        "bigint, integer, varchar, double, boolean, date, timestamp, decimal(p, s), or lists and structs of them",
        lambda node: not node.is_type(*_STORED),
    ),
    Rule(exp.AtTimeZone, "at time zone", "differs on timestamps without a zone", "UTC bounds as $parameters"),
    Rule(
        exp.Sub,
        "date - date",
        "is a number on DuckDB, an interval on Spark",
        "date_diff('day', a, b)",
        lambda node: is_date(node.left) and is_date(node.right),
    ),
    Rule(
        exp.DateDiff,
        "date_diff in other than microseconds, or days of dates",
        "DuckDB counts borders passed, Spark whole units",
        "date_diff('microsecond', a, b), or date_diff('day', cast(a as date), cast(b as date))",
        _differs_in_days,
    ),
    Rule(
        exp.Extract,
        "extract of an odd part",
        "differs or fails on Spark",
        "extract(year from x), or quarter, month, day, hour, minute",
        lambda node: node.name.upper() not in _DATE_PARTS,
    ),
    Rule(
        exp.Interval,
        "interval of a value",
        "fails on Spark",
        "cast($n as integer) * interval 1 minute",
        lambda node: not isinstance(node.this, exp.Literal),
    ),
    Rule(
        exp.Placeholder,
        "parameter without a name",
        "mixes badly with named ones",
        "$name",
        lambda node: not re.fullmatch("[a-z_][a-z0-9_]*", node.name),
    ),
    Rule(
        exp.Window,
        "window without order by",
        "which row comes first is left to threads",
        "a total order in it",
        _lacks_order,
    ),
    Rule(
        exp.Window,
        "distinct in a window",
        "fails on Spark",
        "a group by of its own, joined",
        lambda node: node.this.find(exp.Distinct) is not None,
    ),
    Rule(
        exp.Window,
        "filter in a window",
        "fails on Spark",
        "sum(case when ... then x end) over (...)",
        lambda node: node.this.find(exp.Filter) is not None,
    ),
    Rule(
        exp.ArrayAgg,
        "list without list_sort, or with order by",
        "has no order on Spark, and drops NULLs",
        "list_transform(list_sort(list({'t': t, 'id': id, 'x': x})), lambda r: r.x)",
        _is_unsorted,
    ),
    Rule(
        exp.GroupConcat,
        "string_agg without order by",
        "its order is left to threads",
        "string_agg(x, ',' order by y)",
        lambda node: node.find(exp.Order) is None,
    ),
    Rule(
        exp.RegexpReplace,
        "regexp_replace other than of all matches by plain text",
        "sqlglot drops the options, and \\1 is $1 on Spark",
        "regexp_replace(x, p, 'text', 'g')",
        _replaces_otherwise,
    ),
    Rule(
        (exp.RegexpLike, exp.RegexpExtract),
        "options of a regular expression",
        "sqlglot drops them",
        "them in the pattern, '(?i)...'",
        lambda node: bool(node.args.get("flag") or node.args.get("parameters")),
    ),
    Rule(
        exp.Trim,
        "trim of spaces unsaid",
        "strips all Unicode spaces on DuckDB, ' ' on Spark",
        "trim(x, ' ')",
        lambda node: node.expression is None,
    ),
    Rule(
        (exp.Like, exp.ILike),
        "backslash in like",
        "is a letter on DuckDB, an escape on Spark",
        "contains, starts_with or ends_with",
        lambda node: "\\" in node.text("expression"),
    ),
    Rule((exp.Glob, exp.SimilarTo), "glob or similar to", "fails on Spark", "like, or regexp_matches"),
    Rule(exp.ToMap, "map", "fails on Spark", "a struct {'name': x}, or rows"),
    Rule(exp.Slice, "slice of a list", "fails on Spark", "list_filter, or a filter before list"),
    Rule(exp.Comprehension, "list comprehension", "fails on Spark", "list_transform or list_filter"),
    Rule(
        exp.Unnest,
        "unnest with ordinality",
        "numbers otherwise on Spark",
        "the number inside the list's structs",
        lambda node: bool(node.args.get("offset")),
    ),
    Rule(
        exp.Explode,
        "unnest inside an expression",
        "fails on Spark",
        "unnest(x) as y, and work on y in the next step",
        lambda node: not isinstance(node.parent, exp.Alias | exp.Select),
    ),
    Rule(
        exp.Select,
        "two unnests in a select",
        "fails on Spark",
        "one list of structs",
        lambda node: sum(part.unalias().key == "explode" for part in node.selects) > 1,
    ),
    Rule(
        exp.Select,
        "table alias equal to a column",
        "Spark takes one for the other",
        "another alias",
        _hides_a_column,
    ),
    Rule(
        exp.Distinct,
        "distinct on",
        "keeps whichever row comes first",
        "qualify row_number() over (...) = 1",
        lambda node: node.args.get("on") is not None,
    ),
    Rule(
        exp.Star,
        "* in the last select",
        "its columns change with those of the inputs",
        "the columns by name, in the contract's order",
        _is_in_last_select,
    ),
    Rule(
        exp.Star,
        "* replace or rename",
        "fails on Spark",
        "the columns by name",
        lambda node: bool(node.args.get("replace") or node.args.get("rename")),
    ),
    Rule(
        exp.SetOperation,
        "union by name",
        "fails on Spark",
        "the same columns in the same order",
        lambda node: bool(node.args.get("by_name")),
    ),
    Rule(
        exp.Join,
        "asof or positional join",
        "fails on Spark",
        "a join on what is equal, and row_number",
        lambda node: node.method in ("ASOF", "POSITIONAL"),
    ),
    Rule(
        exp.Limit,
        "limit without order by",
        "which rows are left is for threads to decide",
        "order by ... limit",
        lambda node: node.parent is not None and node.parent.args.get("order") is None,
    ),
    Rule(exp.TableSample, "sample", "is random", "a condition on a hash: md5(id) < '1'"),
    Rule(exp.Pivot, "pivot", "has other columns with other rows", "sum(...) filter (where ...) for each column"),
    Rule(
        exp.Table,
        "file as a table",
        "reads files, which is the engine's part",
        "an input by name",
        lambda node: isinstance(node.this, exp.Identifier) and not re.fullmatch(r"\w+", node.name),
    ),
)

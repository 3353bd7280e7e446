"""Rewrites numbers over all rows of a SELECT so that Spark counts them in many tasks; the numbers stay the same.

Spark moves all rows of a window without `partition by` into one task. Models number all sessions of a stretch, which is
too much for one task. So a number is counted in parts: its rows are divided by the first digits of their ids, and
numbered within each part; each part starts after the rows of all parts before it. spark_sql.py calls this module.
"""

from sqlglot import exp

# A session id is a hash in hexadecimal digits, so parts by its first digits have equal sizes, and the order of the
# parts is that of the ids. Four digits are 65,536 parts.
HASHED_KEY = "session_id"
DIGITS_OF_A_PART = 4


def count_in_many_tasks(query: exp.Expr) -> exp.Expr:
    """Return a query with its row numbers of sessions counted in many tasks.

    `row_number() over (order by session_id)` is rewritten. Other windows are left as they are; a test lists those of
    the models. The query is changed in place.
    """
    for select in list(query.find_all(exp.Select)):
        if windows := _numbers_of_sessions(select):
            source = _source(select)
            for place, window in enumerate(windows):
                _number_in_parts(select, window, source, f"_part_{place}")
    return query


def _numbers_of_sessions(select: exp.Select) -> list[exp.Window]:
    if any(select.args.get(name) for name in ("group", "having", "qualify", "distinct", "laterals")):
        return []  # the rows are not those that the SELECT reads
    return [
        window
        for projection in select.expressions
        for window in projection.find_all(exp.Window)
        if window.parent_select is select and _is_number_of_sessions(window)
    ]


def _is_number_of_sessions(window: exp.Window) -> bool:
    if not isinstance(window.this, exp.RowNumber) or window.args.get("partition_by") or window.args.get("alias"):
        return False
    keys = window.args["order"].expressions if window.args.get("order") else ()
    return [(key.this.name, bool(key.args.get("desc"))) for key in keys] == [(HASHED_KEY, False)]


def _source(select: exp.Select) -> exp.Select:
    """Return a SELECT without columns over the rows that a SELECT reads."""
    parts = {name: select.args.get(name) for name in ("from_", "joins", "where")}
    copies = {
        name: [join.copy() for join in part] if isinstance(part, list) else part.copy()
        for name, part in parts.items()
        if part
    }
    return exp.Select(**copies)


def _number_in_parts(select: exp.Select, window: exp.Window, source: exp.Select, name: str) -> None:
    [key] = window.args["order"].expressions
    part = exp.func("left", key.this.copy(), exp.Literal.number(DIGITS_OF_A_PART))
    counts = source.copy().select(exp.alias_(part.copy(), "part"), "count(*) as row_count").group_by(part.copy())
    starts = exp.select("part", "sum(row_count) over (order by part nulls last) - row_count as rows_before").from_(
        counts.subquery("counts")
    )
    # A null is the same part as another one.
    same_part = exp.NullSafeEQ(this=part.copy(), expression=exp.column("part", name))
    select.join(starts.subquery(name), on=same_part, join_type="inner", copy=False)
    # The starts are few, so that Spark can send them to each task, but it cannot know that.
    hint = select.args.get("hint") or exp.Hint(expressions=[])
    hint.append("expressions", exp.Anonymous(this="broadcast", expressions=[exp.to_identifier(name)]))
    select.set("hint", hint)
    window.set("partition_by", [part.copy()])
    window.replace(exp.paren(exp.column("rows_before", table=name) + window.copy()))

"""Makes rows of raw_events from accepted lines: ids for events without one, parts of URLs, and the contract's columns.

Works on Arrow tables, in the order of the lines. Columns of texts are dictionaries, so that a function of a value is
computed once for each distinct value (urls.sql). read.py reads the lines; day_files.py writes the rows.
"""

from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.ingest.reading.protected_texts import protected
from session_pipeline.ingest.sql import query
from session_pipeline.reference.channels import click_id_types
from session_pipeline.tables import table

CODES = pa.int32()
# Columns of texts that are all different.
UNIQUE = ("event_id", "content_hash")
# Query parameters of a page that have a search term. A page with a click id is that of an ad, and so is its keyword.
SEARCH_PARAMETERS = ("q", "query", "s", "search", "keyword")
SEARCH_PARAMETERS_OF_ADS = ("q", "query", "s", "search")
PARTS_OF_REFERRER = ("kept_url", "host")
OF_PAGE = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "search_term")
PARTS = (*PARTS_OF_REFERRER, "path", "click_id_type", *OF_PAGE)


def rows_of(
    accepted: pa.Table, rules: ReadingRules, connection: duckdb.DuckDBPyConnection, event_ids: pa.Array | None
) -> tuple[pa.Table, set[str]]:
    """Return the rows of accepted lines, in the order of the lines, with the columns of the contract.

    Also returns the ids of the files in which some visitor id was an address.

    Args:
        accepted: Accepted lines.
        rules: The rules of their source.
        connection: A connection with the macros of ingest.
        event_ids: The ids of the lines that have none, in order; None if all lines have one.
    """
    given = {name: accepted.column(name) for name in accepted.column_names}
    texts = {
        name: _dictionary(column)
        for name, column in given.items()
        if pa.types.is_string(column.type) and name not in UNIQUE
    }
    texts["currency"] = _in_capitals(texts["currency"])
    texts, addressed = protected(texts, rules, connection)
    files = set() if addressed is None else set(pc.take(_dictionary(given["file_id"]), addressed).to_pylist())
    pages, referrers = _parts(texts["page_url"], texts["referrer"], rules, connection)
    agents = texts["user_agent"]
    made: dict[str, pa.Array] = {
        **given,
        **texts,
        "site": constant(rules.site, len(accepted)),
        "source": constant(rules.source, len(accepted)),
        "page_url": pages["kept_url"],
        "page_host": pages["host"],
        "page_path": pages["path"],
        "referrer": referrers["kept_url"],
        "referrer_host": referrers["host"],
        "click_id_type": pages["click_id_type"],
        # A column to which the settings give no field is not read from the page either.
        **{name: _first_of(texts[name], pages[name]) for name in OF_PAGE if rules.fields_of(name)},
        "user_agent_id": _coded(agents.indices, _hashes(agents.dictionary, connection)),
    }
    if event_ids is not None:
        made["event_id"] = pc.replace_with_mask(_one(given["event_id"]), pc.is_null(_one(given["event_id"])), event_ids)
    names = table("raw_events").schema.names
    return pa.table([made[name] for name in names], names=names), files


def compact(column: pa.DictionaryArray) -> pa.DictionaryArray:
    """Return the same column with a dictionary of only the values that it has, in the order of their first row."""
    if is_same_everywhere(column):
        return column
    codes = column.indices.dictionary_encode()
    return pa.DictionaryArray.from_arrays(codes.indices, column.dictionary.take(codes.dictionary))


def is_same_everywhere(column: pa.Array) -> bool:
    """Whether a column is seen to have one value, or none, in all rows, without looking at each row."""
    if pa.types.is_dictionary(column.type):
        return len(column.dictionary) == 1 - bool(column.null_count) or column.null_count == len(column)
    return bool(column.null_count == len(column))


def taken(rows: pa.Table, order: pa.Array) -> pa.Table:
    """Return rows in another order."""
    columns = [column if is_same_everywhere(column) else column.take(order) for column in map(_one, rows.columns)]
    return pa.table(columns, names=rows.column_names)


def utc_dates(rows: pa.Table) -> pa.Array:
    """Return the UTC date of each event."""
    return _one(pc.cast(pc.floor_temporal(rows.column("event_time"), unit="day"), pa.date32()))


def by_file_and_date(rows: pa.Table) -> pa.Table:
    """Return rows of several files, file after file, sorted by file, date and line number."""
    files = _dictionary(rows.column("file_id")).indices
    order = pa.table([files, utc_dates(rows)], names=["file", "date"])
    return taken(rows, pc.sort_indices(order, [("file", "ascending"), ("date", "ascending")]))  # a stable sort


def with_columns(lines: pa.Table, places: pa.Table) -> pa.Table:
    """Return lines with the columns of their places: file and line number."""
    assert len(lines) == len(places), "each line has a place"
    for name in places.column_names:
        lines = lines.append_column(name, places.column(name))
    return lines


def _one(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return a column as one array."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _dictionary(column: pa.Array | pa.ChunkedArray) -> pa.DictionaryArray:
    if column.null_count == len(column):  # most columns of most files; finding no value in each row takes longer
        return _without_values(len(column))
    return _one(column if pa.types.is_dictionary(column.type) else column.dictionary_encode())


def _without_values(length: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.nulls(length, CODES), pa.array([], pa.string()))


def constant(value: str, length: int) -> pa.DictionaryArray:
    """Return a column with one value."""
    return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, CODES), length), pa.array([value], pa.string()))


def _coded(codes: pa.Array, values: pa.Array) -> pa.DictionaryArray:
    """Return the value of each code, as a column with a dictionary. Several codes may have the same value."""
    if values.null_count == len(values):
        return _without_values(len(codes))
    values = values.dictionary_encode()
    if len(values.dictionary) == len(values):  # all values differ, so the codes are right already
        return pa.DictionaryArray.from_arrays(codes, values.dictionary)
    return pa.DictionaryArray.from_arrays(values.indices.take(codes), values.dictionary)


def _first_of(given: pa.DictionaryArray, derived: pa.DictionaryArray) -> pa.DictionaryArray:
    """Return the given values, and the derived ones where there is none."""
    if derived.null_count == len(derived):
        return given
    if given.null_count == len(given):
        return derived
    return pc.coalesce(given.dictionary_decode(), derived.dictionary_decode()).dictionary_encode()


def _in_capitals(column: pa.DictionaryArray) -> pa.DictionaryArray:
    """Return a column of codes without spaces around them and in capital letters, so that eur and EUR are one."""
    values = pc.utf8_upper(pc.utf8_trim_whitespace(column.dictionary))
    return _coded(column.indices, pc.if_else(pc.equal(values, ""), None, values))


def _parts(
    pages: pa.DictionaryArray, referrers: pa.DictionaryArray, rules: ReadingRules, connection: duckdb.DuckDBPyConnection
) -> tuple[Mapping[str, pa.DictionaryArray], Mapping[str, pa.DictionaryArray]]:
    """Return the parts of the URLs of pages and of referrers, by name.

    One query finds both, because binding it takes longer than some thousand URLs.
    """
    urls = pa.concat_arrays([pages.dictionary, referrers.dictionary])
    if not len(urls):
        return dict.fromkeys(PARTS, pages), dict.fromkeys(PARTS_OF_REFERRER, referrers)
    page_count = len(pages.dictionary)
    position = pa.arange(0, len(urls))
    distinct = pa.table([position, urls, pc.less(position, page_count)], names=["position", "url", "is_page"])
    connection.register("distinct_urls", distinct)
    try:
        select = f"select {', '.join(PARTS)} from ({query('urls')})"
        parameters = {
            "keep_query_parameters": list(rules.keep_query_parameters),
            "click_ids": f"(?i)(?:^|&)({'|'.join(click_id_types())})=[^&]",
            "search_parameters": _kept_names(SEARCH_PARAMETERS, rules),
            "search_parameters_of_ads": _kept_names(SEARCH_PARAMETERS_OF_ADS, rules),
        }
        found = connection.sql(select, params=parameters).to_arrow_table()
    finally:
        connection.unregister("distinct_urls")
    parts = {name: _one(found.column(name)) for name in PARTS}
    return (
        {name: _coded(pages.indices, values.slice(0, page_count)) for name, values in parts.items()},
        {name: _coded(referrers.indices, parts[name].slice(page_count)) for name in PARTS_OF_REFERRER},
    )


def _kept_names(names: Sequence[str], rules: ReadingRules) -> str | None:
    """Return the pattern of those of some query parameters that are kept; None if none is."""
    return "|".join(name for name in names if name in rules.keep_query_parameters) or None


def _hashes(values: pa.Array, connection: duckdb.DuckDBPyConnection) -> pa.Array:
    """Return the MD5 hashes of some texts."""
    connection.register("distinct_texts", pa.table([values], names=["text"]))
    try:
        return _one(connection.sql("select md5(text) as hash from distinct_texts").to_arrow_table().column("hash"))
    finally:
        connection.unregister("distinct_texts")

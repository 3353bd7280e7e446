"""Lists functions: those that DuckDB and Spark compute alike, and those that differ silently, with a replacement."""

from collections.abc import Mapping

# Tested: equal rows on DuckDB 2.0.1 and, translated by sqlglot, on Spark 4.3.0 in ANSI mode. min_by and max_by are
# equal if their arguments are never NULL and the key is unique. The last three lines are not tested; both engines
# document the same behavior.
_NAMES = """
array_agg array_length cast coalesce concat_ws count date_diff date_trunc first_value floor lag last_value lead
list list_reduce list_sort list_transform max max_by md5 median min min_by nullif regexp_extract regexp_matches
regexp_replace row_number sha256 split_part string_agg sum unnest
abs array_to_string bool_and bool_or ceil concat contains day dense_rank ends_with extract greatest hour least
length array_contains list_contains list_filter lpad ltrim minute month quarter rank rpad rtrim sign sqrt
starts_with strpos substr substring translate trim try_cast weekofyear year
"""
COMPARED = frozenset(_NAMES.split())

_GROUPS: Mapping[str, str] = {
    "now today current_date current_time current_timestamp": "a $parameter",
    "random uuid hash": "md5(concat_ws('|', ...)) of a key",
    "epoch epoch_ms epoch_us": "date_diff('microsecond', a, b)",
    "dayofweek isodow": "date_diff('day', cast(date_trunc('week', x) as date), cast(x as date))",
    "arg_min arg_max": "min_by or max_by with a unique key",
    "any_value arbitrary first last mode": "min, min_by or row_number",
    "avg mean stddev variance": "cast(sum(x) as double) / nullif(count(x), 0)",
    "percentile_cont percentile_disc quantile quantile_cont quantile_disc": "median(x), or row_number over the values",
    "approx_count_distinct approx_quantile": "count(distinct x), or median(x)",
    "round": "floor(x + 0.5)",
    "lower upper": "translate(x, 'ABC…', 'abc…'), or fold at ingest",
    "->": "->> with the whole path, '$.a.b'",
}
DIFFERENT: Mapping[str, str] = {name: instead for names, instead in _GROUPS.items() for name in names.split()}

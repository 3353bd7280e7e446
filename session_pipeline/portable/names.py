"""Functions by name: which DuckDB and Spark share, and which they do not, with what to write instead.

Knows names only. Does not know SQL; in which form a function is shared is for rules.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """What the engines do with a construct, and what to write instead of it."""

    why: str
    instead: str


# Measured: equal rows on DuckDB 2.0.1 and, through sqlglot, on Spark 4.3.0 in ANSI mode. min_by and max_by: of
# arguments that are never NULL, by a unique key.
_MEASURED = """
array_agg array_length cast coalesce concat_ws count date_diff date_trunc first_value floor lag last_value lead
list list_sort list_transform max max_by md5 median min min_by nullif regexp_extract regexp_matches regexp_replace
row_number sha256 split_part string_agg sum unnest
"""

# Not measured: taken to be equal, since both engines know them under sqlglot's names for the same thing. substring:
# from 1 on. In ceil, as in floor, the types differ, which the contract's casts even out.
_TAKEN_AS_EQUAL = """
abs array_to_string bool_and bool_or ceil ceiling concat contains day dayofyear dense_rank ends_with extract
greatest grouping hour last_day least length list_filter lpad ltrim make_date minute month quarter rank rpad rtrim
sign sqrt starts_with strpos substr substring translate trim try_cast weekofyear year
"""

SHARED = frozenset(f"{_MEASURED} {_TAKEN_AS_EQUAL}".split())

_GROUPS: tuple[tuple[str, Difference], ...] = (
    (
        "now today current_date current_time current_timestamp localtime localtimestamp get_current_time"
        " get_current_timestamp transaction_timestamp",
        Difference("asks the clock: the same input gives other rows tomorrow", "a $parameter"),
    ),
    (
        "random uuid uuidv4 uuidv7 gen_random_uuid setseed",
        Difference("is random", "md5(concat_ws('|', ...)) of a key"),
    ),
    (
        "timezone timezone_hour timezone_minute make_timestamptz",
        Difference("depends on zone data", "the day's bounds in UTC as $parameters"),
    ),
    (
        "epoch epoch_ms epoch_us epoch_ns to_timestamp",
        Difference("differs or fails on Spark", "date_diff('microsecond', a, b)"),
    ),
    (
        "dayofweek isodow weekday dayname monthname date_part datepart",
        Difference(
            "numbers, names or spells parts of a date in its own way",
            "year(x) and its like, or date_diff('day', cast(date_trunc('week', x) as date), cast(x as date))",
        ),
    ),
    ("week yearweek", Difference("does not exist on Spark", "weekofyear(x)")),
    ("date_add date_sub datesub", Difference("means other arguments on Spark", "x + interval 1 day")),
    (
        "to_microseconds to_milliseconds to_seconds to_minutes to_hours to_days to_weeks to_months to_years",
        Difference("does not exist on Spark", "cast($n as integer) * interval 1 minute"),
    ),
    (
        "strftime strptime try_strptime format printf",
        Difference("has another language of formats", "cast(x as varchar), or concat_ws"),
    ),
    (
        "arg_min arg_max argmin argmax arg_min_null arg_max_null",
        Difference("differs where arguments are NULL or keys tie", "min_by or max_by over a unique key"),
    ),
    (
        "any_value arbitrary first last mode",
        Difference("takes the row that comes first, so that threads decide", "min, min_by or row_number"),
    ),
    (
        "avg mean favg fsum kahan_sum sumkahan stddev stddev_pop stddev_samp variance var_pop var_samp sem corr"
        " covar_pop covar_samp regr_slope regr_intercept regr_r2 skewness kurtosis entropy product geomean",
        Difference(
            "adds up floating point, so that the last digits depend on the order of rows",
            "cast(sum(x) as double) / nullif(count(x), 0)",
        ),
    ),
    (
        "percentile_cont percentile_disc quantile quantile_cont quantile_disc approx_quantile",
        Difference("becomes approximate or fails on Spark", "median(x), or row_number over the values"),
    ),
    ("approx_count_distinct", Difference("is estimated by another method", "count(distinct x)")),
    ("hash", Difference("is another hash on Spark", "md5(x) or sha256(x)")),
    (
        "exp ln log log2 log10 pow power ^ ** cbrt",
        Difference("comes from each engine's mathematics library: last digits differ", "products, or sqrt(x)"),
    ),
    ("round trunc", Difference("rounds floating point by another rule", "floor(x + 0.5)")),
    (
        "lower upper",
        Difference(
            "differs in some letters (İ, ß, a final Σ)",
            "translate(x, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'), or fold at ingest",
        ),
    ),
    ("->", Difference("keeps JSON's quotes on DuckDB, drops them on Spark", "->> with the whole path, '$.a.b'")),
    (
        "json_valid json_extract json_extract_string json_type json_keys json_array_length from_json to_json",
        Difference("fails or differs on Spark", "properties ->> 'name'"),
    ),
    ("len", Difference("fails on Spark for lists", "array_length(x) of a list, length(x) of text")),
    ("list_slice array_slice", Difference("fails on Spark", "list_filter, or a filter before list")),
    ("map", Difference("fails on Spark", "a struct {'name': x}, or rows")),
    ("columns", Difference("fails on Spark", "the columns by name")),
    (
        "generate_series range",
        Difference("fails in `from`, and counts down on Spark where DuckDB gives none", "an input of numbers"),
    ),
    (
        "read_parquet parquet_scan read_csv read_csv_auto read_json read_json_auto read_text glob",
        Difference("reads files, which is the engine's part", "an input by name"),
    ),
)

DIFFERENT: Mapping[str, Difference] = {name: what for names, what in _GROUPS for name in names.split()}

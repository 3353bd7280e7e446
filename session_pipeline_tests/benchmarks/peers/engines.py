"""Peers with engines of their own: ClickHouse in the process, and Spark on this machine."""

import os
from pathlib import Path

from session_pipeline_tests.benchmarks.peers.given import (
    COLUMNS,
    GAP_SECONDS,
    SEARCH,
    SHOP,
    SOCIAL,
    is_shop,
)


def run_chdb(raw: Path, out: Path) -> int:
    """ClickHouse in the process: events in a table of its own, each table as Parquet."""
    from chdb import session

    connection = session.Session(str(out / "chdb"))
    types = dict.fromkeys(COLUMNS, "Nullable(String)")
    types |= dict.fromkeys(("event_id", "visitor_id", "event_time", "event_name"), "String")
    if is_shop(raw):
        columns = ", ".join(f"{old} as {new}" for old, new in SHOP.items())
        none = ", ".join(f"cast(null as Nullable(String)) as {name}" for name in ("page_url", "referrer", "user_agent"))
        given = f"select toString(rowNumberInAllBlocks()) as event_id, {columns}, {none} from file('{raw}/*.csv.gz')"
    else:
        structure = ", ".join(f"{name} {kind}" for name, kind in types.items())
        given = f"select * from file('{raw}/*.jsonl', 'JSONEachRow', '{structure}')"
    visit = "(partition by visitor_id order by event_time, event_id rows between unbounded preceding and current row)"
    connection.query(
        f"""
        create table events engine = MergeTree order by (visitor_id, event_time, event_id) as
        select * except (is_landing, session_number),
            hex(MD5(concat(visitor_id, '-', toString(session_number)))) as session_id,
            replaceRegexpAll(coalesce(page_url, ''), '^https?://[^/]+|[?#].*$', '') as page_path
        from (
            select *, sum(is_landing) over {visit} as session_number
            from (
                select *, event_time - lagInFrame(event_time, 1, toDateTime('1970-01-01 00:00:00', 'UTC')) over {visit}
                    > {GAP_SECONDS} as is_landing
                from (
                    select * replace (
                        assumeNotNull(toString(visitor_id)) as visitor_id,
                        parseDateTimeBestEffort(assumeNotNull(toString(event_time)), 'UTC') as event_time
                    )
                    from ({given}) limit 1 by event_id
                )
            )
        )
        """
    )
    search, social = (pattern.replace("\\", "\\\\") for pattern in (SEARCH, SOCIAL))
    referrer = "coalesce(argMin(tuple(referrer), event_time).1, '')"
    page = "replaceRegexpAll(page_path, '/[0-9]+(/|$)', '/:number\\\\1')"
    action = f"if(event_name = 'page_view' and page_path != '', {page}, event_name)"
    visit_until = "(partition by session_id order by event_time, event_id rows between unbounded preceding and {})"
    whole, until = visit_until.format("unbounded following"), visit_until.format("current row")
    selects = {
        "events": "select * from events",
        "sessions": f"""
            select session_id, any(visitor_id) as visitor, min(event_time) as started_at, max(event_time) as ended_at,
                count() as event_count, countIf(event_name = 'page_view') as page_view_count,
                argMin(page_path, event_time) as landing_page, argMax(page_path, event_time) as exit_page,
                any(user_agent) as agent,
                multiIf({referrer} = '', 'direct', match({referrer}, '{search}'), 'search',
                    match({referrer}, '{social}'), 'social', 'referral') as channel
            from events group by session_id""",
        "session_actions": f"""
            select session_id, row_number() over {until} as action_number, action, event_time as occurred_at,
                leadInFrame(action) over {whole} as next_action
            from (
                select session_id, event_time, event_id, {action} as action,
                    lagInFrame(action, 1, '') over {until} as before
                from events
            )
            where action != before""",
        "session_outcomes": """
            select session_id, multiIf(max(event_name = 'purchase'), 'purchase', max(event_name = 'add_to_cart'),
                'abandoned_cart', count() > 1, 'engaged', 'bounce') as outcome
            from events group by session_id""",
    }
    for name, select in selects.items():
        connection.query(
            f"insert into function file('{out}/{name}.parquet', 'Parquet') {select}"
            " settings output_format_parquet_compression_method = 'zstd'"
        )
    count = connection.query(f"select count() from file('{out}/sessions.parquet')").data()
    connection.close()
    return int(count)


def run_pyspark(raw: Path, out: Path) -> int:
    """PySpark on this machine: the queries of script.sql in Spark's dialect, each table as Parquet."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    settings = {
        "spark.driver.memory": "4g",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(2 * (os.cpu_count() or 1)),
        "spark.local.dir": str(out / "spark"),
        "spark.sql.warehouse.dir": str(out / "spark-warehouse"),
    }
    builder = SparkSession.builder.master("local[*]")
    for key, value in settings.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    if is_shop(raw):
        given = spark.read.csv(f"{raw}/*.csv.gz", header=True).withColumnsRenamed(SHOP)
        given = given.selectExpr(
            "uuid() as event_id", *SHOP.values(), *(f"'' as {name}" for name in ("page_url", "referrer", "user_agent"))
        )
    else:
        given = spark.read.schema(", ".join(f"{name} string" for name in COLUMNS)).json(f"{raw}/*.jsonl")
    given.withColumn("event_time", given["event_time"].cast("timestamp")).dropDuplicates(
        ["event_id"]
    ).createOrReplaceTempView("deduplicated")
    visit = "(partition by visitor_id order by event_time, event_id)"
    selects = {
        "events": f"""
            select * except (is_landing, session_number), md5(visitor_id || '-' || session_number) as session_id,
                regexp_replace(page_url, '^https?://[^/]+|[?#].*$', '') as page_path
            from (select *, sum(is_landing) over {visit} as session_number from (
                select *, if(coalesce(unix_seconds(event_time) - unix_seconds(lag(event_time) over {visit}), 9999)
                    > {GAP_SECONDS}, 1, 0) as is_landing
                from deduplicated))""",
        "sessions": f"""
            select *, case when referrer = '' then 'direct' when referrer rlike r'{SEARCH}' then 'search'
                when referrer rlike r'{SOCIAL}' then 'social' else 'referral' end as channel
            from (select session_id, any_value(visitor_id) as visitor_id, min(event_time) as started_at,
                max(event_time) as ended_at, count(*) as event_count,
                count_if(event_name = 'page_view') as page_view_count, min_by(page_path, event_time) as landing_page,
                max_by(page_path, event_time) as exit_page, any_value(user_agent) as user_agent,
                coalesce(min_by(referrer, event_time), '') as referrer from events group by session_id)""",
        "session_actions": """
            select session_id, row_number() over visit as action_number, action, event_time as occurred_at,
                lead(action) over visit as next_action
            from (select *, lag(action) over (partition by session_id order by event_time, event_id) as before from (
                select session_id, event_time, event_id, if(event_name <> 'page_view', event_name,
                    regexp_replace(page_path, '/[0-9]+(/|$)', '/:number$1')) as action from events))
            where before is null or before <> action
            window visit as (partition by session_id order by event_time, event_id)""",
        "session_outcomes": """
            select session_id, case when bool_or(event_name = 'purchase') then 'purchase'
                when bool_or(event_name = 'add_to_cart') then 'abandoned_cart' when count(*) > 1 then 'engaged'
                else 'bounce' end as outcome from events group by session_id""",
    }
    for name, select in selects.items():
        spark.sql(select).write.option("compression", "zstd").parquet(str(out / name))
        spark.read.parquet(str(out / name)).createOrReplaceTempView(name)
    count = spark.table("sessions").count()
    java = SparkContext._gateway.proc  # type: ignore[union-attr]
    spark.stop()
    java.stdin.close()  # Java ends, and its time and memory are counted once it was waited for
    java.wait()
    return count

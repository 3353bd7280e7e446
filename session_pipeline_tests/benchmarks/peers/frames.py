"""Peers with DataFrames: Polars, pandas, and Retentioneering, which works on pandas."""

import os
from pathlib import Path

from session_pipeline_tests.benchmarks.peers.given import (
    COLUMNS,
    GAP_SECONDS,
    SEARCH,
    SHOP,
    SOCIAL,
    TABLES,
    is_nested,
    is_shop,
)


def run_polars(raw: Path, out: Path) -> int:
    """Polars: lazy frames, each table as Parquet."""
    import polars as pl

    if is_shop(raw):
        given = pl.concat([pl.read_csv(path) for path in raw.glob("*.csv.gz")]).lazy().rename(SHOP)
        given = given.with_row_index("event_id").with_columns(
            pl.lit(None, pl.String).alias(name) for name in ("page_url", "referrer", "user_agent")
        )
    else:
        # Other fields than these would need a schema of their nested values.
        given = pl.scan_ndjson(raw / "*.jsonl", schema=dict.fromkeys(COLUMNS, pl.String))
    # An offset is read and converted, which a format without an offset cannot do.
    form = "%Y-%m-%dT%H:%M:%S%:z" if is_nested(raw) else "%Y-%m-%d %H:%M:%S"
    time = pl.col("event_time").str.to_datetime(form, time_unit="us")
    time = time.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if is_nested(raw) else time
    host = pl.col("referrer").first().fill_null("")
    action = (
        pl.when(pl.col("event_name") != "page_view")
        .then(pl.col("event_name"))
        .otherwise(pl.col("page_path").str.replace_all(r"/[0-9]+(/|$)", "/:number$1").fill_null(pl.col("event_name")))
    )
    gap = pl.col("event_time").diff().dt.total_seconds() > GAP_SECONDS
    events = (
        given.with_columns(time)
        .unique("event_id", keep="any")
        .sort("visitor_id", "event_time", "event_id")
        .with_columns(
            ((pl.col("visitor_id") != pl.col("visitor_id").shift()) | gap)
            .fill_null(True)
            .cum_sum()
            .alias("session_id"),
            pl.col("page_url").str.replace_all(r"^https?://[^/]+|[?#].*$", "").alias("page_path"),
        )
        .collect()
    )
    sessions = events.group_by("session_id", maintain_order=True).agg(
        pl.col("visitor_id").first(),
        pl.col("event_time").first().alias("started_at"),
        pl.col("event_time").last().alias("ended_at"),
        pl.len().alias("event_count"),
        (pl.col("event_name") == "page_view").sum().alias("page_view_count"),
        pl.col("page_path").first().alias("landing_page"),
        pl.col("page_path").last().alias("exit_page"),
        pl.col("user_agent").first(),
        pl.when(host == "")
        .then(pl.lit("direct"))
        .when(host.str.contains(SEARCH))
        .then(pl.lit("search"))
        .when(host.str.contains(SOCIAL))
        .then(pl.lit("social"))
        .otherwise(pl.lit("referral"))
        .alias("channel"),
    )
    actions = (
        events.select("session_id", "event_time", action.alias("action"))
        .filter(((pl.col("action") != pl.col("action").shift()) | pl.col("session_id").diff().ne(0)).fill_null(True))
        .with_columns(
            pl.int_range(1, pl.len() + 1).over("session_id").alias("action_number"),
            pl.col("action").shift(-1).over("session_id").alias("next_action"),
        )
    )
    outcomes = events.group_by("session_id", maintain_order=True).agg(
        pl.when((pl.col("event_name") == "purchase").any())
        .then(pl.lit("purchase"))
        .when((pl.col("event_name") == "add_to_cart").any())
        .then(pl.lit("abandoned_cart"))
        .when(pl.len() > 1)
        .then(pl.lit("engaged"))
        .otherwise(pl.lit("bounce"))
        .alias("outcome")
    )
    for name, frame in zip(TABLES, (events, sessions, actions, outcomes), strict=True):
        frame.write_parquet(out / f"{name}.parquet", compression="zstd")
    return len(sessions)


def run_pandas(raw: Path, out: Path) -> int:
    """Pandas with its PyArrow reader, each table as Parquet."""
    import pandas as pd

    if is_shop(raw):
        given = pd.concat([pd.read_csv(path) for path in raw.glob("*.csv.gz")]).rename(columns=SHOP)
        given = given.assign(event_id=range(len(given)), page_url=None, referrer=None, user_agent=None)
    else:
        files = [pd.read_json(path, lines=True, engine="pyarrow") for path in sorted(raw.glob("*.jsonl"))]
        given = pd.concat(files, ignore_index=True)[list(COLUMNS)]
    given["event_time"] = pd.to_datetime(given["event_time"], utc=True)
    events = given.drop_duplicates("event_id").sort_values(["visitor_id", "event_time", "event_id"], ignore_index=True)
    gap = events["event_time"].diff().dt.total_seconds() > GAP_SECONDS
    events["session_id"] = (gap | (events["visitor_id"] != events["visitor_id"].shift())).cumsum()
    events["page_path"] = events["page_url"].astype("str").str.replace(r"^https?://[^/]+|[?#].*$", "", regex=True)
    by_session = events.groupby("session_id", sort=False)
    sessions = by_session.agg(
        visitor_id=("visitor_id", "first"),
        started_at=("event_time", "first"),
        ended_at=("event_time", "last"),
        event_count=("event_id", "size"),
        landing_page=("page_path", "first"),
        exit_page=("page_path", "last"),
        user_agent=("user_agent", "first"),
    )
    is_page = events["event_name"] == "page_view"
    sessions["page_view_count"] = is_page.groupby(events["session_id"]).sum()
    # "first" skips nulls, and the referrer of the landing counts also where it is null.
    referrer = events.loc[by_session.head(1).index, "referrer"].fillna("").astype("str").set_axis(sessions.index)
    sessions["channel"] = "referral"
    sessions.loc[referrer.str.contains(SOCIAL.replace("(", "(?:")), "channel"] = "social"
    sessions.loc[referrer.str.contains(SEARCH.replace("(", "(?:")), "channel"] = "search"
    sessions.loc[referrer == "", "channel"] = "direct"
    pages = events["page_path"].str.replace(r"/[0-9]+(/|$)", r"/:number\1", regex=True)
    actions = events[["session_id", "event_time"]].assign(action=events["event_name"].mask(is_page, pages))
    is_new = (actions["action"] != actions["action"].shift()) | (actions["session_id"] != actions["session_id"].shift())
    actions = actions[is_new]
    by_actions = actions.groupby("session_id", sort=False)
    actions = actions.assign(action_number=by_actions.cumcount() + 1, next_action=by_actions["action"].shift(-1))
    outcomes = pd.DataFrame({"outcome": "bounce"}, index=sessions.index)
    outcomes.loc[sessions["event_count"] > 1, "outcome"] = "engaged"
    for event_name, outcome in (("add_to_cart", "abandoned_cart"), ("purchase", "purchase")):
        outcomes.loc[events.loc[events["event_name"] == event_name, "session_id"].unique(), "outcome"] = outcome
    for name, frame in zip(TABLES, (events, sessions, actions, outcomes), strict=True):
        frame.to_parquet(out / f"{name}.parquet", compression="zstd")
    return len(sessions)


def run_retentioneering(raw: Path, out: Path) -> int:
    """Retentioneering: an event stream cut into sessions, as Parquet. Reading and copies are left to pandas."""
    os.environ["RETENTIONEERING_NO_TRACK"] = "1"
    import pandas as pd
    from retentioneering.eventstream.eventstream import Eventstream

    if is_shop(raw):
        given = pd.concat([pd.read_csv(path) for path in raw.glob("*.csv.gz")]).rename(columns=SHOP)
        given = given.assign(event_id=range(len(given)))
    else:
        files = [pd.read_json(path, lines=True, engine="pyarrow") for path in sorted(raw.glob("*.jsonl"))]
        given = pd.concat(files, ignore_index=True)
    given["event_time"] = pd.to_datetime(given["event_time"], utc=True).dt.tz_localize(None)
    given = given.drop_duplicates("event_id")[["visitor_id", "event_name", "event_time"]]
    schema = {"path_cols": ["visitor_id"], "event_col": "event_name", "timestamp_col": "event_time"}
    # A session ends at a gap of the timeout, so one second more keeps a gap of exactly 30 minutes, as the others do.
    stream = Eventstream(given, schema).split_sessions(timeout=f"{GAP_SECONDS + 1}s")
    events = stream.to_dataframe()
    events.to_parquet(out / "events.parquet", compression="zstd")
    return int(events["session_id"].nunique())

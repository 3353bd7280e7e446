"""Dagster assets: one for each table, grouped into one op for each step, plus the warehouse, the lake and the report.

Each op calls the pipeline and reports the result to Dagster. The work itself is in `run.run`, what is stale is
decided in `build.planner`, and the metadata of the assets comes from `defs.metadata`.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from time import monotonic
from typing import Any

import dagster as dg

from session_pipeline.build.builder import Built
from session_pipeline.defs import metadata, partition_events, retention, tags
from session_pipeline.defs.resources import PipelineResource
from session_pipeline.errors import WrongUseError
from session_pipeline.publish.publication import Published
from session_pipeline.run.run import Run
from session_pipeline.settings import Settings
from session_pipeline.tables import TABLES
from session_pipeline.tables.graph import Step
from session_pipeline.tables.steps import LOGS, is_built, steps_of

OWNERS = ["team:data"]
DAY_BEFORE = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)
INGESTED = ("raw_events", "quarantined_lines", "source_files")
SETTLE_SECONDS = 1.0  # a file that changed more recently is checked a second time
LOG_SECONDS = 1.0  # each message is a transaction of Dagster, which takes longer than a small file
LONGEST_RUN = timedelta(hours=2)  # of a normal night; the warehouse is overdue this long after data is expected
CLOCK_CHANGE = timedelta(hours=1)  # a build at midnight is so much earlier when summer time ends
Results = Iterator[dg.MaterializeResult[Any]]


def make_assets(settings: Settings, days: dg.DailyPartitionsDefinition) -> Sequence[dg.AssetsDefinition]:
    """Create all assets, with `days` as the partitions of the daily tables."""
    return [make_ingest(), *(_step(step, days, settings) for step in steps_of(settings)), _publish(settings), _report()]


def _table_spec(name: str, deps: Sequence[Any], **more: Any) -> dg.AssetSpec:
    contract = TABLES[name]
    return dg.AssetSpec(
        name,
        deps=deps,
        owners=OWNERS,
        kinds={"duckdb", "parquet"} if contract.is_published else {"parquet"},
        group_name=contract.group,
        description=metadata.description(contract),
        metadata=metadata.of_table(contract),
        tags={} if contract.is_published else {"store_only": ""},
        **more,
    )


def make_ingest() -> dg.AssetsDefinition:
    """Create the assets that the ingest writes."""

    @dg.multi_asset(name="ingest_files", specs=[_table_spec(name, []) for name in INGESTED])
    def ingest_files(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> Results:
        """Ingest the delivered files under raw/: admit new files, read their lines, quarantine bad lines."""
        with pipeline.opened() as run:
            # Here, because every deployment ingests; and first, so that a failure of the ingest does not prevent it.
            retention.delete_old_runs(context.instance, run.settings.history, context.log.warning)
            summary = run.ingest(
                _log_of_files(context.log.debug),
                settle_seconds=SETTLE_SECONDS,
            )
            dropped = run.drop_unwanted()
            if dropped:
                context.log.info(f"{len(dropped)} partitions of days that are no longer wanted were dropped")
            for name in INGESTED:
                yield dg.MaterializeResult(asset_key=name, metadata=metadata.of_ingested(run, name, summary))

    return ingest_files


def _log_of_files(log: Callable[[str], None]) -> Callable[[int, int, str], None]:
    """Return a function that logs the file that the ingest reads next, at most once in LOG_SECONDS."""
    next_at = 0.0

    def at_file(done: int, total: int, name: str) -> None:
        nonlocal next_at
        if monotonic() >= next_at:
            next_at = monotonic() + LOG_SECONDS
            log(f"{done} of {total} files: {name}" if name else f"{done} of {total} files")

    return at_file


def _step(step: Step, partitions: dg.DailyPartitionsDefinition, settings: Settings) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=f"build_{step.name}",
        specs=[
            _table_spec(name, _deps(step, name, settings), partitions_def=partitions if step.is_daily else None)
            for name in step.tables
        ],
        backfill_policy=dg.BackfillPolicy.single_run() if step.is_daily else None,
    )
    def build(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> Results:
        is_by_hand = tags.PLANNED not in context.run.tags
        of_whole_table: dict[str, Any] = {name: {} for name in step.tables}
        with pipeline.opened() as run:
            _refuse_other_days(run, *tags.first_and_last_day(context.run.tags), partitions, is_daily=step.is_daily)
            days = [date.fromisoformat(key) for key in context.partition_keys] if step.is_daily else []
            wanted = run.planner.frame.only_wanted(days)
            not_wanted = set(days).difference(wanted)
            of_days = {name: {str(day): metadata.of_no_day() for day in sorted(not_wanted)} for name in step.tables}
            results = run.build(
                step,
                wanted if step.is_daily else (None,),
                force=is_by_hand,
                on_built=lambda built: pipeline.stop_if_ended(),
            )
            recorded = partition_events.to_record(context, step, results)
            for (name, day), figures in metadata.of_built(run, step, recorded).items():
                if day:
                    of_days[name][str(day)] = figures
                else:
                    of_whole_table[name] = figures
            if step.is_daily:
                partition_events.record(context, of_days)
            # One log line for each step, because a log line for each day takes longer than building a small day.
            context.log.info(f"{step.name}: {_counts(results, len(not_wanted))}")
            for name in step.tables:
                yield dg.MaterializeResult(asset_key=name, metadata=of_whole_table[name])

    return build


def _refuse_other_days(
    run: Run, first: str, last: str, partitions: dg.DailyPartitionsDefinition, *, is_daily: bool
) -> None:
    """Refuse days that a step cannot build, because Dagster itself has no clear message for them.

    Args:
        run: The run.
        first: The first day that was asked for; empty if none was.
        last: The last day that was asked for; empty if none was.
        partitions: The days that can be built.
        is_daily: Whether the step needs days.

    Raises:
        WrongUseError: There are no days, they are in the wrong order, or a day is not over or has no events.
    """
    if is_daily and not first <= last:
        raise WrongUseError(f"the range of days ends on {last}, before it begins on {first}; exchange them")
    if is_daily and not last:
        raise WrongUseError("this run has no days to build; choose a partition, a day or a range of days")
    if last and date.fromisoformat(last) > run.until:
        raise WrongUseError(f"{last} is not over yet; the last day that can be built is {run.until}")
    if last and first == last and not partitions.has_partition_key(last):
        raise WrongUseError(
            f"{last} is not built: only days from {run.settings.start_date} on that have events, and the day"
            " after each of them, are; if its events were just delivered, run the job ingest first"
        )


def _counts(results: Sequence[Built], not_wanted_count: int) -> str:
    """Return how many days were built, for each reason, and in how many stretches if there are several."""
    reasons = Counter({"no events": not_wanted_count})
    reasons.update(built.reason or "fresh" for built in results)
    counts = ", ".join(f"{count} × {reason}" for reason, count in reasons.items() if count)
    commits = {each.generation for built in results if built.was_built for each in built.partitions.values()}
    return counts + (f"; in {len(commits)} stretches" if len(commits) > 1 else "")


def _deps(step: Step, name: str, settings: Settings) -> list[Any]:
    """Return the inputs of a table as lineage. Data carried over from the day before is shown as a self-dependency.

    The real dependency is on other tables of the same step on the day before. Dagster cannot backfill an op with
    several assets if one of them depends on another one on a different day.
    """
    read = [what for what in step.inputs if is_built(what.table, settings)]
    deps: list[Any] = [what.table for what in read if what.table not in step.tables]
    if any(what.table in step.tables for what in step.inputs):
        deps.append(dg.AssetDep(name, partition_mapping=DAY_BEFORE))
    return deps


def _publish(settings: Settings) -> dg.AssetsDefinition:
    published = [
        name
        for name, contract in TABLES.items()
        if contract.is_published and not contract.is_log and name != "warehouse_info" and is_built(name, settings)
    ]
    specs = [
        *(_table_spec(log.table, [log.of], skippable=True) for log in LOGS),
        dg.AssetSpec(
            "warehouse",
            deps=published,
            description="One DuckDB file with all published tables in the same state; replaced by rename.",
            kinds={"duckdb"},
            freshness_policy=_freshness(settings),
            group_name="publish",
            owners=OWNERS,
            skippable=True,
        ),
        dg.AssetSpec(
            "lake",
            deps=published,
            description="All published tables as Hive-partitioned Parquet files; each file is replaced by rename.",
            kinds={"parquet"},
            group_name="publish",
            owners=OWNERS,
            skippable=True,
        ),
    ]

    @dg.multi_asset(name="publish_tables", specs=specs)
    def publish_tables(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> Results:
        """Publish the new state of all tables at once, if nothing within the horizon is stale."""
        with pipeline.opened() as run:
            result = run.publish()
            if run.outcome.expired_count:
                context.log.info(f"{run.outcome.expired_count} partitions expired and were removed")
            if not isinstance(result, Published):
                context.log.info(f"nothing was published: {result}")
                return
            for name, figures in metadata.of_publication(run, result).items():
                yield dg.MaterializeResult(asset_key=name, metadata=figures)

    return publish_tables


def _freshness(settings: Settings) -> dg.FreshnessPolicy:
    """Require one publication a day, at the latest LONGEST_RUN after the time when the last data is expected.

    With a time for the data, it must be of the same night: one of the day before, as for a late file, does not count.
    Without one, files can arrive all day, so it must be of the 24 hours before.
    """
    expected = [source.expected_by for source in settings.sources.values() if source.expected_by]
    hour, minute = map(int, max([settings.daily_at, *expected]).split(":"))
    since_midnight = timedelta(hours=hour, minutes=minute) + LONGEST_RUN
    deadline = since_midnight % timedelta(days=1)
    return dg.FreshnessPolicy.cron(
        deadline_cron=f"{deadline.seconds // 60 % 60} {deadline.seconds // 3600} * * *",
        # Dagster allows at most the time between two deadlines.
        lower_bound_delta=min(since_midnight + CLOCK_CHANGE, timedelta(days=1)) if expected else timedelta(days=1),
        timezone=settings.timezone,
    )


def _report() -> dg.AssetsDefinition:
    spec = dg.AssetSpec(
        "report",
        deps=["warehouse"],
        description="The HTML report: how visits ended, which paths visitors took, where they left.",
        kinds={"html"},
        group_name="publish",
        owners=OWNERS,
    )

    @dg.multi_asset(name="write_report", specs=[spec])
    def write_report(pipeline: PipelineResource) -> Results:
        """Write the HTML report from the warehouse."""
        with pipeline.opened() as run:
            run.write_report()
            yield dg.MaterializeResult(asset_key="report", metadata=metadata.of_report(run))

    return write_report

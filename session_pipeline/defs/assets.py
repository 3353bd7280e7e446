"""The assets: one for each table, an op for each step, and what is published.

Each asks the pipeline to do its work and tells Dagster what came of it. Decides nothing.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg

from session_pipeline import report
from session_pipeline.contracts import TABLES
from session_pipeline.defs import metadata, tags
from session_pipeline.defs.resources import PipelineResource
from session_pipeline.errors import SessionPipelineError
from session_pipeline.publish.publication import Published
from session_pipeline.settings import Settings
from session_pipeline.steps import STEPS, Days, Step

OWNERS = ["team:data"]
KINDS = {"duckdb", "parquet"}
DAY_BEFORE = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)
RETRIES = 2
RETRY_SECONDS = 5
INGESTED = ("raw_events", "quarantined_lines", "source_files")


def make_assets(settings: Settings) -> Sequence[dg.AssetsDefinition]:
    """All assets, for the days and time zone of some settings."""
    days = dg.DailyPartitionsDefinition(
        start_date=settings.start_date.isoformat(),
        timezone=settings.timezone,
        end_offset=1 if settings.include_today else 0,
    )
    return [_ingest(), *(_step(step, days) for step in STEPS), _publish(), _report()]


@contextmanager
def errors_for_dagster() -> Iterator[None]:
    """Trouble with the operating system is tried again; what a person must mend is not, and is said in one sentence."""
    try:
        yield
    except SessionPipelineError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    except OSError as error:
        raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=RETRY_SECONDS) from error


def _spec(name: str, deps: Sequence[Any], **more: Any) -> dg.AssetSpec:
    contract = TABLES.get(name)
    return dg.AssetSpec(
        name,
        deps=deps,
        owners=OWNERS,
        kinds=KINDS,
        group_name=contract.group if contract else "publish",
        description=contract.grain if contract else more.pop("description"),
        metadata=metadata.of_table(contract) if contract else {},
        **more,
    )


def _ingest() -> dg.AssetsDefinition:
    @dg.multi_asset(name="ingest_files", specs=[_spec(name, []) for name in INGESTED])
    def ingest_files(
        context: dg.AssetExecutionContext, pipeline: PipelineResource
    ) -> Iterator[dg.MaterializeResult[Any]]:
        """Take in what was delivered under raw/."""
        run = pipeline.run
        with errors_for_dagster():
            summary = run.ingest(lambda done, total, name: context.log.debug(f"{done} of {total} files: {name}"))
            dropped = run.drop_unwanted()
        if dropped:
            context.log.info(f"{len(dropped)} partitions of days that are no longer wanted were dropped")
        figures = {name: int(value) for name, value in vars(summary).items()}
        reasons: dict[str, int] = {}
        for partition in run.store.of_table("quarantined_lines"):
            for reason, count in partition.counts.items():
                reasons[reason] = reasons.get(reason, 0) + int(count)
        for name in INGESTED:
            rows = sum(partition.row_count for partition in run.store.of_table(name))
            more = {"set_aside_by_reason": reasons} if name == "quarantined_lines" else {}
            yield dg.MaterializeResult(asset_key=name, metadata={"dagster/row_count": rows, **figures, **more})

    return ingest_files


def _step(step: Step, days: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    partitions = days if step.is_daily else None
    specs = [
        _spec(name, _deps(step, name), partitions_def=partitions, code_version=step.logic_version[:12])
        for name in step.tables
    ]

    @dg.multi_asset(
        name=f"build_{step.name}",
        specs=specs,
        backfill_policy=dg.BackfillPolicy.single_run() if step.is_daily else None,
    )
    def build(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> Iterator[dg.MaterializeResult[Any]]:
        run = pipeline.run
        is_planned = tags.PLANNED in context.run.tags
        keys: Sequence[str | None] = context.partition_keys if step.is_daily else [None]
        more: dict[str, dict[str, Any]] = {name: {} for name in step.tables}
        reasons: Counter[str] = Counter()
        for key in keys:
            day = metadata.day_of(key) if key is not None else None
            if day is not None and not run.planner.frame.is_wanted(day):
                reasons["no events"] += 1
                continue
            with errors_for_dagster():
                built = run.build(step, day, force=not is_planned)
            reasons[built.reason or "fresh"] += 1
            for name, partition in built.partitions.items():
                facts = metadata.of_partition(run, partition, built)
                if key is None:
                    more[name] = dict(facts)
                else:
                    context.add_asset_metadata(facts, asset_key=name, partition_key=key)
        # One line a step: a line a day would cost more than building a small day.
        context.log.info(f"{step.name}: " + ", ".join(f"{count} × {reason}" for reason, count in reasons.items()))
        for name in step.tables:
            yield dg.MaterializeResult(asset_key=name, metadata=more[name])

    return build


def _deps(step: Step, name: str) -> list[Any]:
    """The inputs as lineage. The step's own day before is shown on the table that carries it."""
    deps: list[Any] = [
        what.table for what in step.inputs if what.days is not Days.BEFORE and what.table not in step.tables
    ]
    if any(what.days is Days.BEFORE and what.table == name for what in step.inputs):
        deps.append(dg.AssetDep(name, partition_mapping=DAY_BEFORE))
    return deps


def _publish() -> dg.AssetsDefinition:
    published = [name for name, contract in TABLES.items() if contract.is_published and name != "warehouse_info"]
    specs = [
        _spec(
            "warehouse",
            published,
            description="One DuckDB file with every table, as of one generation.",
            skippable=True,
        ),
        _spec("lake", published, description="Hive folders of Parquet, one file a partition.", skippable=True),
    ]

    @dg.multi_asset(name="publish_tables", specs=specs)
    def publish_tables(
        context: dg.AssetExecutionContext, pipeline: PipelineResource
    ) -> Iterator[dg.MaterializeResult[Any]]:
        """Give readers the new state, when nothing within the horizon is stale."""
        run = pipeline.run
        with errors_for_dagster():
            result = run.publish()
        if not isinstance(result, Published):
            context.log.warning(f"nothing was published: {result}")
            return
        yield dg.MaterializeResult(
            asset_key="warehouse",
            metadata={
                "generation": result.generation,
                "replaced_partitions": result.replaced_count,
                "data_until": str(run.until),
                "file": dg.MetadataValue.path(str(run.folder.warehouse)),
                "bytes": run.folder.warehouse.stat().st_size,
            },
        )
        yield dg.MaterializeResult(
            asset_key="lake",
            metadata={
                "generation": result.generation,
                "linked_files": result.linked_count,
                "removed_files": result.removed_count,
                "folder": dg.MetadataValue.path(str(run.folder.lake)),
            },
        )

    return publish_tables


def _report() -> dg.AssetsDefinition:
    @dg.multi_asset(
        name="write_report",
        specs=[_spec("report", ["warehouse"], description="The page a person reads: how visits ended, and why.")],
    )
    def write_report(pipeline: PipelineResource) -> Iterator[dg.MaterializeResult[Any]]:
        """Write the HTML report from the warehouse."""
        with errors_for_dagster():
            path = report.write(pipeline.run.folder)
        yield dg.MaterializeResult(
            asset_key="report",
            metadata={"file": dg.MetadataValue.path(str(path)), "page": dg.MetadataValue.url(path.as_uri())},
        )

    return write_report

"""The code location that all ways to start Dagster load, and runs in this process that carry its origin.

The UI finds the runs of a job, of an asset and of its timeline by their origin. `JobDefinition.execute_in_process`
gives a run none, so this module creates the run itself and then executes it as that method does. local_runs.py decides
which runs are launched.
"""

import logging
import sys
from collections.abc import Mapping, Sequence
from threading import Timer
from typing import Any

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import ExecuteRunWithPlanIterable, create_execution_plan, job_execution_iterator
from dagster._core.execution.context_creation_job import (
    PlanOrchestrationContextManager,
    orchestration_context_event_generator,
)
from dagster._core.remote_origin import (
    CodeLocationOrigin,
    GrpcServerCodeLocationOrigin,
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

MODULE = "session_pipeline.definitions"
NAME = MODULE  # also in workspace.yaml, in [tool.dg.project] of pyproject.toml, and in docs/deploy
REPOSITORY = "__repository__"  # the name that Dagster gives to the definitions of a module
RELOAD_SECONDS = 2.0
RELOAD_TIMEOUT = 180

_is_asked_for = False  # in this process, which a reload replaces


def origin() -> RemoteRepositoryOrigin:
    """Where the jobs come from, as a webserver or daemon that loaded the module would say it."""
    target = LoadableTargetOrigin(executable_path=sys.executable, module_name=MODULE)
    return RemoteRepositoryOrigin(ManagedGrpcPythonEnvCodeLocationOrigin(target, location_name=NAME), REPOSITORY)


def reload_once(loaded_from: CodeLocationOrigin | None) -> bool:
    """Have the code server load the definitions again, in a moment; at most once for each time that they are loaded.

    Webserver and daemon see the new ones by themselves. Returns whether that can be asked for: not of a server that
    webserver or daemon started for themselves.
    """
    global _is_asked_for
    if _is_asked_for or not isinstance(loaded_from, GrpcServerCodeLocationOrigin):
        return False
    _is_asked_for = True
    # Later, since this process is replaced by it: what asks for it must have ended.
    timer = Timer(RELOAD_SECONDS, _reload, [loaded_from])
    timer.daemon = True
    timer.start()
    return True


def _reload(loaded_from: GrpcServerCodeLocationOrigin) -> None:
    try:
        loaded_from.create_client().reload_code(timeout=RELOAD_TIMEOUT)
    except Exception:  # a server that cannot do that, or has ended: what is loaded stays, and runs load their own
        logging.getLogger(__name__).warning("the code location could not be loaded again", exc_info=True)


def execute(
    definitions: dg.Definitions,
    job_name: str,
    *,
    instance: dg.DagsterInstance,
    run_id: str,
    run_config: Mapping[str, Any],
    tags: Mapping[str, str],
    assets: Sequence[dg.AssetKey] | None = None,
) -> dg.ExecuteInProcessResult:
    """Run a job in this process, as a run of the code location; a failure is in the result, and not raised."""
    job = definitions.resolve_job_def(job_name).as_ephemeral_job({}, {}, asset_selection=assets)
    in_memory = InMemoryJob(job)
    plan = create_execution_plan(in_memory, run_config=run_config, instance_ref=instance.get_ref())
    run = instance.create_run_for_job(
        job_def=job,
        execution_plan=plan,
        run_id=run_id,
        run_config=run_config,
        tags={**job.run_tags, **tags},
        asset_selection=frozenset(assets) if assets else None,
        remote_job_origin=origin().get_job_origin(job_name),
    )
    context = PlanOrchestrationContextManager(
        context_event_generator=orchestration_context_event_generator,
        job=in_memory,
        execution_plan=plan,
        dagster_run=run,
        instance=instance,
        run_config=run_config,
        raise_on_error=False,
        executor_defs=None,
        output_capture=None,
    )
    events = list(ExecuteRunWithPlanIterable(plan, job_execution_iterator, context))
    ended = instance.get_run_by_id(run_id)
    assert ended is not None
    return dg.ExecuteInProcessResult(event_list=events, dagster_run=ended, output_capture=None, job_def=job)

"""Defines the parts of the build graph: steps, their inputs, and what they compute before their tables.

A step builds one or more tables of a day. Its inputs are found by parsing the SQL of its models; only an unusual span
is declared. The steps themselves are in <group>/steps.py; build/ decides which partitions are stale.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from session_pipeline.reference.small_table import SmallTable
from session_pipeline.settings import Settings
from session_pipeline.tables import TABLES, models, table
from session_pipeline.tables.frame import BOUNDS, DAY_TABLES
from session_pipeline.tables.parameters import Scalar
from session_pipeline.tables.spans import Span, usual_span

if TYPE_CHECKING:
    import pyarrow as pa

NO_PARAMETERS: Mapping[str, Scalar] = {}


@dataclass(frozen=True)
class Input:
    """A table that a step reads, and the span of dates that it reads."""

    table: str
    span: Span


@dataclass(frozen=True)
class Relation:
    """A SELECT that is generated from the settings, such as the events that match each outcome rule.

    Attributes:
        make: Returns the SQL.
        reads: The tables that the SQL reads.
    """

    make: Callable[[Settings], str]
    reads: tuple[str, ...]


@dataclass(frozen=True)
class Copied:
    """An input whose columns a model copies: one that has the same value in all rows, or none, has it in the table.

    Attributes:
        table: The input.
        computed: The columns with a name of the input that the model computes.
    """

    table: str
    computed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Computation:
    """A model that runs before the models of the step's tables, which read its rows.

    Attributes:
        model: The model.
        name: The name of its rows for later models. A later computation with the same name replaces the rows.
        runs: For each time the model runs, the values of the parameters that the settings do not give it.
    """

    model: str
    name: str
    runs: Callable[[Settings], Sequence[Mapping[str, Scalar]]] = lambda settings: (NO_PARAMETERS,)


@dataclass(frozen=True)
class PythonTable:
    """A small table that Python computes from the rows of a model, for work that SQL cannot do.

    The rows of the model and of the table have the date column of the step's tables.
    """

    name: str
    model: str
    make: Callable[["pa.Table"], "pa.Table"]


@dataclass(frozen=True)
class Log:
    """A table that records what each build changed in another table. Its model adds rows to the existing ones.

    The model reads the other table before and after the build (`<of>_before` and `<of>`), the log so far
    (`<table>_before`), the changed days with the reason of each build (`days`), the delivered files that are new to the
    build of each day (`new_files`), and its inputs.

    Attributes:
        table: The log, and its model.
        of: The table of the step whose changes are recorded.
        inputs: Its other inputs, by the name that the model uses.
        records_first_build: Whether the first build of a day counts as a change.
    """

    table: str
    of: str
    inputs: Mapping[str, Input] = field(default_factory=dict)
    records_first_build: bool = False


@dataclass(frozen=True)
class Step:
    """Tables that are built together.

    Attributes:
        name: The name of the step, and of the Dagster op.
        tables: The tables that it builds; each table has a model of the same name.
        spans: The span of each input for which the usual span is wrong.
        relations: SELECTs generated from the settings that its models read, by name. They can read the Python table.
        lists: Small tables from the settings or the package that its models read, by name.
        computed: Models that run before the models of the tables, in this order.
        python_table: A table that Python computes, or None.
        wrapped: Inputs that its models read with more columns, by table: SELECTs over `stored_<table>`.
        copied: The input whose columns the model of a table copies, by table.
        parts_model: For a table without days: the model that computes a hash of the part of the table that each day
            reads. A daily step that reads the table is stale if this hash changes, not if any other part changes.
        logs: Tables that record what a build changed.
        logic_version: Version of the step's Python code. It must change when a change to that code changes rows.
    """

    name: str
    tables: tuple[str, ...]
    spans: Mapping[str, Span] = field(default_factory=dict)
    relations: Mapping[str, Relation] = field(default_factory=dict)
    lists: Mapping[str, Callable[[Settings], SmallTable]] = field(default_factory=dict)
    computed: tuple[Computation, ...] = ()
    python_table: PythonTable | None = None
    wrapped: Mapping[str, Relation] = field(default_factory=dict)
    copied: Mapping[str, Copied] = field(default_factory=dict)
    parts_model: str | None = None
    logs: tuple[Log, ...] = ()
    logic_version: str = "1"

    @property
    def is_daily(self) -> bool:
        """Whether its tables are partitioned by day."""
        return table(self.tables[0]).date_column is not None

    @cached_property
    def models(self) -> tuple[str, ...]:
        """All models that the step runs, except those of logs."""
        first = (self.python_table.model,) if self.python_table else ()
        last = (self.parts_model,) if self.parts_model else ()
        return (*first, *(computation.model for computation in self.computed), *self.tables, *last)

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """The tables that it reads from the store, each with its span. Tables with a declared span come last."""
        read = {name for model in self.models for name in models.tables_read(model)}
        read |= {name for relation in (*self.relations.values(), *self.wrapped.values()) for name in relation.reads}
        own = table(self.tables[0])
        inputs = [
            Input(name, self.spans.get(name) or usual_span(own, contract))
            for name, contract in TABLES.items()
            if name in read and (name not in self.tables or name in self.spans)
        ]
        return tuple(sorted(inputs, key=lambda item: item.table in self.spans))

    @cached_property
    def read_often(self) -> frozenset[str]:
        """The tables that its models name more than once."""
        times: Counter[str] = Counter()
        for model in self.models:
            times.update(models.times_read(model))
        return frozenset(name for name, count in times.items() if count > 1)

    @cached_property
    def parameters(self) -> frozenset[str]:
        """The parameters that its models read."""
        return frozenset().union(*(models.parameters(model) for model in self.models))

    @cached_property
    def day_columns(self) -> frozenset[str]:
        """The columns of `days` and `day_parts` that its models read and that differ between calendars and horizons."""
        reading = [model for model in self.models if models.tables_read(model) & DAY_TABLES]
        read = frozenset().union(*(models.columns_read(model) for model in reading))
        return read & {*BOUNDS, "observed_until"}

    def runs(self, settings: Settings) -> list[tuple[Computation, Mapping[str, Scalar]]]:
        """Return each computation as often as it runs, each time with its own parameters."""
        return [(computation, run) for computation in self.computed for run in computation.runs(settings)]

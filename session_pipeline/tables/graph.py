"""The parts of the build graph: steps, what they compute on the way, and what they read.

A step builds one or more tables of a day. Its inputs are found in the SQL of its models; only an unusual span is
declared. The steps themselves are in <group>/steps.py; build/ decides whether one is stale.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa

from session_pipeline.settings import Settings
from session_pipeline.tables import TABLES, models, table
from session_pipeline.tables.frame import Scalar
from session_pipeline.tables.spans import Span, usual_span

NO_PARAMETERS: Mapping[str, Scalar] = {}


@dataclass(frozen=True)
class Input:
    """A table that a step reads, and which dates of it."""

    table: str
    span: Span


@dataclass(frozen=True)
class Relation:
    """A SELECT that is made from the settings, such as one branch for each condition of a rule.

    Attributes:
        make: Gives the SQL.
        reads: The tables that the SQL reads.
    """

    make: Callable[[Settings], str]
    reads: tuple[str, ...]


@dataclass(frozen=True)
class Computation:
    """A model that runs before those of the step's tables, for them to read.

    Attributes:
        model: The model.
        name: The name that its rows get; a later computation of this name replaces them.
        varying: The parameters that differ from run to run.
        runs: Their values in each run of the model.
    """

    model: str
    name: str
    varying: frozenset[str] = frozenset()
    runs: Callable[[Settings], Sequence[Mapping[str, Scalar]]] = lambda settings: (NO_PARAMETERS,)


@dataclass(frozen=True)
class PythonTable:
    """A small table that Python makes from the rows of a model, for what SQL cannot do."""

    name: str
    model: str
    make: Callable[[pa.Table], pa.Table]


@dataclass(frozen=True)
class Log:
    """A table that records what each build changed in another table. Its model adds rows to those that exist.

    The model reads the table as it was and as it is (`<of>_before` and `<of>`), the log so far (`<table>_before`), the
    delivered files that are new to the build (`new_files`), and its inputs.

    Attributes:
        table: The log, and its model.
        of: The table of the step whose changes are recorded.
        inputs: What else it reads, by the name that the model uses.
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
        tables: What it builds; each table has a model of its name.
        spans: The span of each input for which the usual one is wrong.
        relations: SELECTs from the settings that its models read, by name.
        lists: Small tables from the settings or the package that its models read, by name.
        computed: Models that run before those of the tables, in this order.
        python_table: A table that Python makes, or None.
        logs: Tables that record what a build changed.
        logic_version: Changes when the Python code of the step gives other rows.
    """

    name: str
    tables: tuple[str, ...]
    spans: Mapping[str, Span] = field(default_factory=dict)
    relations: Mapping[str, Relation] = field(default_factory=dict)
    lists: Mapping[str, Callable[[Settings], pa.Table]] = field(default_factory=dict)
    computed: tuple[Computation, ...] = ()
    python_table: PythonTable | None = None
    logs: tuple[Log, ...] = ()
    logic_version: str = "1"

    @property
    def is_daily(self) -> bool:
        """Whether it is built day by day."""
        return table(self.tables[0]).date_column is not None

    @cached_property
    def models(self) -> tuple[str, ...]:
        """All models that it can run."""
        first = (self.python_table.model,) if self.python_table else ()
        return (*first, *(computation.model for computation in self.computed), *self.tables)

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """The tables that it reads from the store, each with its span; those with an unusual span come last."""
        read = {name for model in self.models for name in models.tables_read(model)}
        read |= {name for relation in self.relations.values() for name in relation.reads}
        own = table(self.tables[0])
        inputs = [
            Input(name, self.spans.get(name) or usual_span(own, contract))
            for name, contract in TABLES.items()
            if name in read and (name not in self.tables or name in self.spans)
        ]
        return tuple(sorted(inputs, key=lambda item: item.table in self.spans))

    @cached_property
    def parameters(self) -> frozenset[str]:
        """The parameters that its models read, without those that a computation varies."""
        varying = frozenset().union(*(computation.varying for computation in self.computed))
        return frozenset().union(*(models.parameters(model) for model in self.models)) - varying

    def runs(self, settings: Settings) -> list[tuple[Computation, Mapping[str, Scalar]]]:
        """Each run of a computation, with the values of what varies."""
        return [(computation, run) for computation in self.computed for run in computation.runs(settings)]

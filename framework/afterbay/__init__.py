"""Afterbay: a dataflow framework for change data. This is the public face; `docs/` has the words.

Names are loaded when they are used, so that `import afterbay` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from afterbay.clock import Clock, SystemClock
    from afterbay.compile.plan import Plan
    from afterbay.compile.registry import Registry
    from afterbay.credit import Credit
    from afterbay.errors import (
        AfterbayError,
        Cancelled,
        Diagnostic,
        EnvironmentRefused,
        PipelineInvalid,
        Place,
        RunFailed,
    )
    from afterbay.messages import (
        Assembler,
        BatchHead,
        ChangeBatch,
        DdlKind,
        DrainMarker,
        EncodedBatch,
        FileFormat,
        Op,
        SchemaChange,
        SpoolEntry,
        TableChange,
        Watermark,
    )
    from afterbay.node import (
        BuildContext,
        Capabilities,
        Emit,
        Outlet,
        PortTypes,
        ShardOperator,
        Sink,
        SinkContext,
        SinkOperator,
        Source,
        SourceContext,
        SourceOperator,
        SpoolOperator,
        Transform,
        TransformContext,
        TransformOperator,
        Until,
    )
    from afterbay.pipeline import Pipeline
    from afterbay.positions import ResumePoint
    from afterbay.runtime.ledger import Token
    from afterbay.runtime.report import RunReport
    from afterbay.runtime.run import Run
    from afterbay.schema import Column, RowPosition, TableName, TableSchema
    from afterbay.telemetry import Telemetry
    from afterbay.units import ByteSize, Duration

__version__ = "0.1.0"
__all__ = [
    "AfterbayError",
    "Assembler",
    "BatchHead",
    "BuildContext",
    "ByteSize",
    "Cancelled",
    "Capabilities",
    "ChangeBatch",
    "Clock",
    "Column",
    "Credit",
    "DdlKind",
    "Diagnostic",
    "DrainMarker",
    "Duration",
    "Emit",
    "EncodedBatch",
    "EnvironmentRefused",
    "FileFormat",
    "Op",
    "Outlet",
    "Pipeline",
    "PipelineInvalid",
    "Place",
    "Plan",
    "PortTypes",
    "Registry",
    "ResumePoint",
    "RowPosition",
    "Run",
    "RunFailed",
    "RunReport",
    "SchemaChange",
    "ShardOperator",
    "Sink",
    "SinkContext",
    "SinkOperator",
    "Source",
    "SourceContext",
    "SourceOperator",
    "SpoolEntry",
    "SpoolOperator",
    "SystemClock",
    "TableChange",
    "TableName",
    "TableSchema",
    "Telemetry",
    "Token",
    "Transform",
    "TransformContext",
    "TransformOperator",
    "Until",
    "Watermark",
    "__version__",
]

_LIGHT_TO_HEAVY = (
    "errors",
    "clock",
    "units",
    "schema",
    "messages",
    "node",
    "pipeline",
    "compile.plan",
    "compile.registry",
    "telemetry",
    "credit",
    "runtime.ledger",
    "runtime.report",
    "runtime.run",
)


def __getattr__(name: str) -> object:
    if name in __all__:
        for home in _LIGHT_TO_HEAVY:
            module = import_module(f"afterbay.{home}")
            if hasattr(module, name):
                value: object = getattr(module, name)
                globals()[name] = value  # found once
                return value
    raise AttributeError(f"module 'afterbay' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

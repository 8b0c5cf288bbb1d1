"""The `change_log` source: canal-json lines, as TiCDC sends them to Kafka, from files or stdin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from afterbay.errors import Diagnostic
from afterbay.messages import ChangeBatch
from afterbay.node import Capabilities, Source, SourceContext, SourceOperator
from afterbay.positions import ResumePoint
from afterbay.schema import Json, TableName
from afterbay.units import MIB, ByteSize
from afterbay_nodes.sources.dispatcher import dispatcher_of
from afterbay_nodes.sources.log_paths import takes_in
from afterbay_nodes.sources.tso import physical_ms

STDIN = "-"


class ChangeLog(Source[ChangeBatch]):
    """Reads a change log: one canal-json message a line, as TiCDC sends them (`enable-tidb-extension=true`).

    Rows, DDL messages (`isDdl`) and watermarks (`TIDB_WATERMARK`). Files are read in name order; gzip and zstd are
    recognised by their first bytes. It ends at the end of the last file (of stdin: when the writer closes it); run
    until `forever`, it waits there for the file to grow, or for the next one.

    The checkpoint moves at watermarks and at the end. Rows below their table's last commit-ts, or at or below the last
    watermark, are repeats: dropped and counted, or with `on_repeat: error` refused.
    """

    type_name: ClassVar[str] = "change_log"
    summary: ClassVar[str] = "canal-json lines from files or stdin, with DDL and watermarks"
    capabilities: ClassVar[Capabilities] = Capabilities(tells_time=True)

    path: Annotated[str, Field(min_length=1, description="a file, a glob, or '-' for stdin")]
    on_bad_line: Annotated[
        Literal["error", "reject"], Field(description="fail at a bad line, or put it aside in `rejects`")
    ] = "error"
    rejects: Annotated[str | None, Field(description="the file that bad lines are appended to, as JSON lines")] = None
    on_repeat: Annotated[Literal["drop", "error"], Field(description="what a repeated row or DDL is")] = "drop"
    output_raw_change_event: Annotated[
        bool, Field(description="leave updates of keys whole instead of a delete and an insert")
    ] = False
    longest_line: Annotated[ByteSize, Field(ge=1, description="a longer line is a bad line")] = 64 * MIB

    @property
    def ends(self) -> bool:
        return True

    def identity(self) -> Mapping[str, Json]:
        # Where files are is no matter: the cursor knows its file by what is in it. Stdin has no such place.
        return {
            "path": STDIN if self.path == STDIN else "files",
            "output_raw_change_event": self.output_raw_change_event,
        }

    def recognises(self, option: str, stored: Json) -> bool:
        # The first version kept the path as written.
        return option == "path" and (stored == STDIN) == (self.path == STDIN)

    def facts(self) -> Mapping[str, str]:
        return {"path": self.path, **({"rejects": self.rejects} if self.rejects is not None else {})}

    def check(self) -> Iterable[Diagnostic]:
        rejecting = self.on_bad_line == "reject"
        if rejecting and self.rejects is None:
            yield Diagnostic("node.option", "`on_bad_line: reject` needs `rejects`", hint="add `rejects: FILE`")
        if self.rejects is not None and not rejecting:
            yield Diagnostic(
                "node.option", "`rejects` is set, but bad lines fail the run", hint="set `on_bad_line: reject`"
            )
        if self.rejects is not None and self.path != STDIN and takes_in(self.path, self.rejects):
            # It would read its own rejects, and reject them again, until the disk is full (I8).
            yield Diagnostic(
                "node.option",
                f"`rejects` {self.rejects!r} is one of the files that `path` {self.path!r} reads",
                hint="put the rejects into another folder, or give them a name that `path` does not match",
                field="rejects",
            )

    def commit_ms(self, point: ResumePoint) -> int:
        return physical_ms(point.commit_ts)

    def dispatcher(self, name: TableName, partition_id: int | None) -> str:
        """What the log's tables are called. An empty cursor is legal: the log is then read from its start once."""
        return dispatcher_of(name, partition_id)

    def open(self, context: SourceContext) -> SourceOperator:
        # Here, so that `validate` and `nodes list` need neither the JSON decoder nor the SQL reader.
        from afterbay_nodes.sources.log_player import LogPlayer

        return LogPlayer(self, context)

"""Where positions come from: which server, and which publication said what is sent. Others' mean something else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from afterbay.errors import Place, RunFailed
from afterbay.printable import visible
from afterbay.schema import Json
from afterbay_nodes.sources.postgres.connection import Server

_SYSTEM: Final = "SELECT system_identifier::text FROM pg_catalog.pg_control_system()"
_PUBLICATION: Final = "SELECT oid::int8 FROM pg_catalog.pg_publication WHERE pubname = %s"


class Origin:
    """What a checkpoint's cursor says of it, held against the server. Used by the source's thread."""

    def __init__(self, cursor: Mapping[str, Json], publication: str, node: str) -> None:
        self._system = str(cursor.get("system", ""))
        found = cursor.get("publication")  # states of earlier versions do not tell
        self._oid: int | None = found if isinstance(found, int) else None
        self._publication = publication
        self._node = node

    def cursor(self) -> dict[str, Json]:
        """What the next run is to compare."""
        told: dict[str, Json] = {"system": self._system}
        if self._oid is not None:
            told["publication"] = self._oid
        return told

    def check_server(self, server: Server) -> str:
        """It is the server that it was; gives its number. Raises RunFailed `postgres.other_server`."""
        system = str(server.value(_SYSTEM))
        if self._system and system != self._system:
            raise RunFailed(
                "postgres.other_server",
                f"this is the server {system}, and the checkpoint is of {self._system}: their positions have nothing "
                "to do with each other",
                place=Place(node=self._node),
                hint="connect to the server that the checkpoint is of, or start afresh",
            )
        self._system = system
        return system

    def check_publication(self, server: Server) -> None:
        """All that has come until now was sent by the publication that it always was (I1).

        A server from version 18 on goes on without a publication that is dropped, and sends nothing of its tables; made
        again, it does not bring them back. To be asked behind what was received, and before that is promised. Raises
        RunFailed `postgres.publication_gone`.
        """
        found = server.value(_PUBLICATION, [self._publication])
        if self._oid is None:
            self._oid = found
        if found is None or found != self._oid:
            what = "is gone" if found is None else "was dropped and made again"
            raise RunFailed(
                "postgres.publication_gone",
                f"the publication '{visible(self._publication)}' {what}: what was committed meanwhile was not sent",
                place=Place(node=self._node),
                hint="start afresh: a new slot, a new state and an empty root",
            )

"""What the catalog answered within the transactions of the stream, kept until a checkpoint has passed them.

The catalog has things as they are now, not as they were at a place in the stream. After a kill the same transaction is
read again, and the catalog may have another answer: a column was renamed since, and its default is not found. The
schema of one version would then be told in two ways (I3). So an answer is on the disk before anything that it
decides leaves the source, and a transaction that comes again gets the answers of its first time.

A file beside the state, one answer a line, written anew when a run's first ones are kept and when it has grown.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from afterbay_nodes.sources.postgres import kept_files
from afterbay_nodes.sources.postgres.tables import Facts

REWRITE_BYTES: Final = 1 << 20
"""What the file may grow by before what is not needed any more leaves it."""

_NAME: Final = "catalog-answers.jsonl"
_CODE: Final = "postgres.catalog_answers"
_WHAT: Final = "the list of the catalog's answers"

_Rows: TypeAlias = list[tuple[object, ...]]
_Question: TypeAlias = tuple[int, str]  # the commit LSN; and the server, the statement and its values as JSON


@dataclass(slots=True)
class CatalogAnswers:
    """Asks, and remembers. Used by the source's thread; owns the file.

    `needed_from`: the commit LSN from which on transactions may come again. `system`: the server's identifier.
    """

    folder: Path
    needed_from: int = 0
    system: str = ""
    _server: Facts | None = None
    _commit: int = 0
    _known: dict[_Question, _Rows] = field(default_factory=dict)
    _fresh: list[_Question] = field(default_factory=list)
    _room: int = 0

    @classmethod
    def read(cls, folder: Path, needed_from: int) -> CatalogAnswers:
        """What an earlier run kept, as far as it is needed. Raises RunFailed `postgres.catalog_answers`."""
        path = folder / _NAME
        try:
            lines = path.read_bytes().split(b"\n")
        except FileNotFoundError:
            lines = []
        except OSError as error:
            raise kept_files.damaged(path, error.strerror or str(error), code=_CODE, what=_WHAT) from error
        known: dict[_Question, _Rows] = {}
        # What stands behind the last line feed was not whole when the process died: nothing has left that it decides.
        for line in lines[:-1]:
            try:
                commit, question, rows = json.loads(line)
                known[int(commit), str(question)] = [tuple(row) for row in rows]
            except (ValueError, TypeError) as error:
                raise kept_files.damaged(path, str(error), code=_CODE, what=_WHAT) from error
        found = cls(folder, needed_from, _known=known)
        found._forget()
        return found

    def asked_of(self, server: Facts) -> CatalogAnswers:
        """These answers, and those of `server` to new questions."""
        self._server = server
        return self

    def begin(self, commit: int) -> None:
        """A transaction begins, which is committed at `commit`. The answers to one that did not end are forgotten."""
        for question in self._fresh:
            del self._known[question]
        self._fresh.clear()
        self._commit = commit

    def rows(self, sql: str, values: Sequence[object] = ()) -> _Rows:
        """The answer to a question within the transaction. Raises what the server's own `rows` raises."""
        question = self._commit, json.dumps([self.system, sql, list(values)])
        if question not in self._known:
            assert self._server is not None
            self._known[question] = self._server.rows(sql, values)
            self._fresh.append(question)
        return self._known[question]

    def keep(self) -> None:
        """The transaction is whole and is going to be played: its answers are durable behind this (I3).

        Raises EnvironmentRefused `postgres.catalog_answers`.
        """
        if not self._fresh:
            return
        lines = self._lines(self._fresh)
        path = self.folder / _NAME
        if len(lines) > self._room:
            self._forget()
            kept_files.replace(path, self._lines(list(self._known)), code=_CODE, what=_WHAT)
            self._room = REWRITE_BYTES
        else:
            kept_files.append(path, lines, code=_CODE, what=_WHAT)
            self._room -= len(lines)
        self._fresh.clear()

    def _lines(self, questions: Sequence[_Question]) -> str:
        return "".join(f"{json.dumps([*question, self._known[question]])}\n" for question in questions)

    def _forget(self) -> None:
        for question in [question for question in self._known if question[0] < self.needed_from]:
            del self._known[question]

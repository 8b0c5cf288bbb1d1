"""DDLs on columns and keys in SQL: by small statements where these do, else by making the table anew."""

from __future__ import annotations

from abc import abstractmethod

from afterbay.errors import RunFailed
from afterbay.printable import visible
from afterbay.schema import Column
from afterbay_nodes.apply.alteration import Added, Alteration
from afterbay_nodes.apply.sql_tables import SqlTables
from afterbay_nodes.apply.states import (
    ASIDE,
    LOG_COLUMNS,
    LOG_COMMIT_TS,
    LOG_NUMBER,
    LOG_OP,
    LOG_ROW,
    LOG_SERIES,
)

_LEFT_OUT = "leave the table out with --tables, or apply the store from behind this DDL"


class SqlAltering(SqlTables):
    """Makes one table of another. Every statement runs in whatever transaction is open."""

    def alter(self, change: Alteration) -> None:
        """Makes a table's columns and key those of `change.after`; the rows keep what they have."""
        before, after = change.before, change.after
        if change.changes_key and self.is_empty(before.name):
            self.drop(before.name)
            self.create(after)
            return
        if change.changes_key:
            self._refuse_new_key(change)
        if before.is_log != after.is_log or self.must_rebuild(change):
            self.rebuild(change)
            return
        if change.changes_key:
            self.drop_key(change)
        self.alter_columns(change)
        if change.changes_key:
            self.add_key(change)

    @abstractmethod
    def must_rebuild(self, change: Alteration) -> bool:
        """True if small statements cannot do it."""

    def drop_key(self, change: Alteration) -> None:
        """Takes the old primary key away; nothing where keys are no constraints."""

    def add_key(self, change: Alteration) -> None:
        """Gives the table its new primary key; nothing where keys are no constraints."""

    @abstractmethod
    def rebuild(self, change: Alteration) -> None:
        """Makes the table anew from the one that is there, with `fill_anew`."""

    def is_same(self, before: Column, after: Column) -> bool:
        """True if the values of one column can stand in the other as they are."""
        return self.type_of(before) == self.type_of(after) and self.converted(before, after, "x") == "x"

    # -- by small statements

    def alter_columns(self, change: Alteration) -> None:
        """Column by column. A name that is in the way of another is moved aside first."""
        table = self.place(change.after.name)
        renamed = [kept for kept in change.kept if kept.before.name != kept.after.name]
        coming = {kept.after.name.casefold() for kept in renamed} | {new.after.name.casefold() for new in change.added}
        now: dict[str, str] = {}
        for number, column in enumerate([*(kept.before for kept in renamed), *change.dropped]):
            now[column.name] = self.quoted(column)
            if column.name.casefold() in coming:
                now[column.name] = f"{ASIDE}_{number}"
                self.run(f"ALTER TABLE {table} RENAME COLUMN {self.quoted(column)} TO {now[column.name]}")
        for added in change.added:
            self.add_column(table, added)
        for kept in renamed:
            self.run(f"ALTER TABLE {table} RENAME COLUMN {now[kept.before.name]} TO {self.quoted(kept.after)}")
        for column in change.dropped:
            self.run(f"ALTER TABLE {table} DROP COLUMN {now[column.name]}")
        for kept in change.kept:
            if not self.is_same(kept.before, kept.after):
                name = self.quoted(kept.after)
                value = self.converted(kept.before, kept.after, name)
                self.run(f"ALTER TABLE {table} ALTER COLUMN {name} TYPE {self.type_of(kept.after)} USING {value}")

    def add_column(self, table: str, added: Added) -> None:
        """A new column, last; the rows that are there get `fill`."""
        name = self.quoted(added.after)
        head = f"ALTER TABLE {table} ADD COLUMN {name} {self.type_of(added.after)}".rstrip()
        if added.fill.null_count:
            self.run(head)
            return
        self.run(f"{head} DEFAULT {self.literal(added.after, added.fill)}")
        self.run(f"ALTER TABLE {table} ALTER COLUMN {name} DROP DEFAULT")

    # -- anew

    def fill_anew(self, change: Alteration, place: str) -> None:
        """Makes the new table under the name `place` (in SQL) and gives it the rows of the old one."""
        after, source = change.after, self.place(change.before.name)
        values = {
            kept.after.name: self.converted(kept.before, kept.after, self.quoted(kept.before)) for kept in change.kept
        }
        for added in change.added:
            values[added.after.name] = "NULL" if added.fill.null_count else self.literal(added.after, added.fill)
        into = [self.quoted(column) for column in after.columns]
        chosen = [values[column.name] for column in after.columns]
        if after.is_log:
            into += LOG_COLUMNS
            made = ["'I'", "NULL", f"'before {after.version}'", "0", "ROW_NUMBER() OVER ()"]
            chosen += LOG_COLUMNS if change.before.is_log else made
        elif change.before.is_log:
            source = self._last_of_log(change, source)
        self.create_at(place, after)
        self.run(f"INSERT INTO {place} ({', '.join(into)}) SELECT {', '.join(chosen)} FROM {source}")

    def _last_of_log(self, change: Alteration, source: str) -> str:
        """The rows that the changes of a log leave, by the key that the table now has."""
        if self.rows(f"SELECT 1 FROM {source} WHERE {LOG_OP} = 'U' LIMIT 1"):
            raise RunFailed(
                "apply.late_key",
                f"table {visible(str(change.after.name))} gets a key, but holds updates from before it: which rows "
                "they changed cannot be told",
                hint=f"store updates with their old values (output_old_value); or {_LEFT_OUT}",
            )
        names = {kept.after.name: self.quoted(kept.before) for kept in change.kept}
        keys = ", ".join(names[key] for key in change.after.keys)
        places = (f"COALESCE({LOG_COMMIT_TS}, 0)", LOG_SERIES, LOG_NUMBER, LOG_ROW)
        order = ", ".join(f"{place} DESC" for place in places)
        numbered = f"SELECT *, ROW_NUMBER() OVER (PARTITION BY {keys} ORDER BY {order}) AS {ASIDE} FROM {source}"
        return f"({numbered}) AS {ASIDE}_log WHERE {ASIDE} = 1 AND {LOG_OP} <> 'D'"

    def _refuse_new_key(self, change: Alteration) -> None:
        """A key over a column whose values the store does not have, in a table with rows."""
        new = {added.after.name for added in change.added}
        own = [key for key in change.after.keys if key in new]
        kept = {change.new_names.get(key) for key in change.before.keys}
        if own and not (change.before.keys and kept <= set(change.after.keys)):
            raise RunFailed(
                "apply.late_key",
                f"table {visible(str(change.after.name))} gets a key over its new column {visible(own[0])!r}, of which "
                "the rows that it has hold values that are not in the store",
                hint=_LEFT_OUT,
            )

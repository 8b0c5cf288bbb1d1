"""The databases that a store can be applied to: SQLite, DuckDB and PostgreSQL, behind one protocol (`apply.target`)."""

"""Writes the pages anew that are made from the program: `python -m tests.docs`."""

from __future__ import annotations

from tests.docs import cli_page, errors_page, nodes_page, postgres_types_page

PAGES = (nodes_page, postgres_types_page, errors_page, cli_page)

if __name__ == "__main__":
    for made in PAGES:
        made.PAGE.write_text(made.page(), encoding="utf-8")

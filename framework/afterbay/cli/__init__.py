"""The command line: `afterbay run`, `validate`, `plan`, `graph`, `status`, `nodes`, `schema`, `init`.

One file a verb; packs bring more (`pack_verbs`). A verb imports what it needs when it is called, so that
`afterbay --help` stays quick.
"""

from __future__ import annotations


def main() -> int:
    """The `afterbay` command. Returns its exit code: 0 ok, 1 run failed, 2 invalid, 3 environment refused.

    130: a SIGINT came while nothing was under way that would have to be ended, such as an import.
    """
    try:
        from afterbay.cli import app

        return app.main()
    except KeyboardInterrupt:
        return 130

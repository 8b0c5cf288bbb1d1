"""Verbs over stores, one file each. They come in as everybody's do, by the entry-point group `afterbay.commands`."""

from __future__ import annotations

from collections.abc import Mapping

_VERBS = {
    "apply": "apply:apply",
    "ls": "ls:ls",
    "verify": "verify:verify",
}


def pack() -> Mapping[str, str]:
    """Every verb -> "module:function". A module is imported when its verb is called, and for the list of verbs."""
    return {name: f"afterbay_nodes.commands.{target}" for name, target in _VERBS.items()}

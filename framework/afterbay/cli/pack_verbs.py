"""Verbs that packs bring in, by the entry-point group `afterbay.commands` (see `afterbay.verbs`).

A pack is looked at when a verb is asked for that is not one of the framework's own, and for the list of verbs: a broken
pack disturbs neither `afterbay run` nor the others' verbs.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from afterbay.cli.failure import Failure
from afterbay.errors import PipelineInvalid
from afterbay.printable import visible

if TYPE_CHECKING:
    from typer.core import TyperCommand

GROUP = "afterbay.commands"


@dataclass(frozen=True, slots=True)
class PackVerb:
    """One verb: where its function is, and the pack that brought it."""

    name: str
    target: str
    pack: str

    def load(self) -> TyperCommand:
        """The verb as a command. Imports its module. Raises PipelineInvalid if that fails."""
        module, _, attribute = self.target.partition(":")
        try:
            function: Callable[..., int] = getattr(importlib.import_module(module), attribute)
            app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
            app.command(self.name, epilog=getattr(sys.modules[module], "EXAMPLES", None))(function)
            command: Any = typer.main.get_command(app)
        except Exception as error:
            raise PipelineInvalid(
                "pack.import",
                f"the verb '{visible(self.name)}' of pack '{visible(self.pack)}' cannot be loaded from "
                f"{visible(self.target)}: {type(error).__name__}: {visible(str(error))}",
                hint="install what the pack needs, or tell whoever made the pack",
            ) from error
        return command  # type: ignore[no-any-return]


class Verbs(TyperGroup):
    """The framework's verbs, which are there at once, and those of packs, which are looked for when they are wanted."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a verb, None if there is none. Raises PipelineInvalid if it cannot be loaded."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        verbs = self._of_packs()
        if cmd_name in verbs:
            return verbs[cmd_name].load()
        self.list_commands(ctx)  # so that what is meant can be guessed among all
        return None

    def list_commands(self, ctx: Any) -> list[str]:
        """All verbs. A pack that is broken is told, and hides no other."""
        for verb in self._of_packs().values():
            try:
                self.add_command(verb.load(), verb.name)
            except PipelineInvalid as broken:
                Failure.of(broken).tell(as_json=False)
        return super().list_commands(ctx)

    def _of_packs(self) -> Mapping[str, PackVerb]:
        """The packs' verbs that were not listed yet. What is wrong with a pack is told."""
        if not hasattr(self, "_packs"):
            self._packs, faults = installed(self.commands)
            for fault in faults:
                Failure.of(fault).tell(as_json=False)
        return {name: verb for name, verb in self._packs.items() if name not in self.commands}


def installed(own: Iterable[str]) -> tuple[dict[str, PackVerb], list[PipelineInvalid]]:
    """(the verbs of all packs, what is wrong with packs). A verb whose name is taken is left out: `own` come first."""
    taken = dict.fromkeys(own, "afterbay itself")
    verbs: dict[str, PackVerb] = {}
    faults: list[PipelineInvalid] = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        try:
            found = list(_verbs_of(entry))
        except PipelineInvalid as broken:
            faults.append(broken)
            continue
        for verb in found:
            if verb.name in taken:
                faults.append(_clash(verb, taken[verb.name]))
            else:
                taken[verb.name] = f"the pack '{visible(verb.pack)}'"
                verbs[verb.name] = verb
    return verbs, faults


def _clash(verb: PackVerb, other: str) -> PipelineInvalid:
    return PipelineInvalid(
        "pack.clash",
        f"the pack '{visible(verb.pack)}' brings a verb '{visible(verb.name)}', which is one of {other} already",
        hint="uninstall one of them, or ask its maker to rename the verb",
    )


def _verbs_of(entry: EntryPoint) -> Iterator[PackVerb]:
    source = f"{entry.name} ({entry.dist.name})" if entry.dist is not None else entry.name
    try:
        pack = entry.load()
        listing = pack() if callable(pack) else pack
        if not isinstance(listing, Mapping):
            raise TypeError(f"it gives {type(listing).__name__}, not a mapping")
        for name, target in listing.items():
            if not (isinstance(name, str) and isinstance(target, str) and target.count(":") == 1):
                raise TypeError(f"its entry {name!r}: {target!r} is no 'module:function'")
            yield PackVerb(name, target, source)
    except Exception as error:
        raise PipelineInvalid(
            "pack.broken",
            f"the pack '{visible(source)}' cannot be read: {type(error).__name__}: {visible(str(error))}",
            hint=f"a pack maps verbs to 'module:function'; '{visible(entry.value)}' does not",
        ) from error

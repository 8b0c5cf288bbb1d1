"""The pipelines that `afterbay init` writes: one road, two sources, every line explained."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path


class Source(StrEnum):
    """The sources a starter can have."""

    DEMO = "demo"
    CHANGE_LOG = "change_log"


_SOURCES: Mapping[Source, str] = {
    Source.DEMO: """\
  # A made-up bank: accounts, transfers, now and then a DDL. Replace it by a source of your own.
  changes:
    type: demo
""",
    Source.CHANGE_LOG: """\
  # Change events as canal-json lines, the form TiCDC sends to Kafka. A file, a glob, or - for stdin; .gz and .zst too.
  changes:
    type: change_log
    path: ./events/*.jsonl
    # on_bad_line: reject           # instead of stopping at a line that cannot be read …
    # rejects: ./rejected.jsonl     # … put it here
""",
}

_REST = """\

  # Rows become file bytes. Encoders side by side keep the order.
  csv:
    type: encode_csv
    inputs: changes
    include_commit_ts: true
    parallelism: 2

  # The reservoir: takes surges, memory first, then disk, while the store is slow or away.
  spool:
    type: spool
    inputs: csv
    disk_quota: 1GiB

  # Files for readers: by size or by interval, whichever comes first. s3://bucket/prefix works the same way.
  lake:
    type: cloud_storage
    inputs: spool
    uri: {uri}
    file_size: 64MiB
    flush_interval: 5s
"""


def pipeline_text(name: str, source: Source) -> str:
    """A whole pipeline file. `name` consists of letters, digits, `_` and `-`."""
    return (
        f"# {name}: carries row changes to files, in order, exactly once.\n"
        "# Try: afterbay validate, afterbay plan, afterbay run. `afterbay nodes list` shows what else there is.\n"
        "# ${VARIABLE} and ${VARIABLE:-default} are replaced from the environment.\n"
        f"name: {name}\n"
        f"state: ./state/{name}    # how far it came: keep it, a run goes on from there\n"
        "nodes:\n" + _SOURCES[source] + _REST.replace("{uri}", f"./{name}-files")
    )


def pipeline_name(file: Path) -> str:
    """A name out of the file's, with what a YAML scalar could trip over left out."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", file.stem).strip("-")
    # A bare number, or a word such as `null` or `true`, would not be a string in YAML.
    return (
        plain
        if re.match(r"[A-Za-z]", plain) and plain.lower() not in ("null", "true", "false")
        else f"pipeline-{plain}".rstrip("-")
    )

"""`afterbay schema`: the JSON Schema of pipeline files, for editors."""

from __future__ import annotations

import json

from afterbay.cli import console
from afterbay.cli.options import AsJson, Output

EXAMPLES = """\b
Examples:
  afterbay schema -o afterbay.schema.json
\b
Then, as the first line of a pipeline file (read by editors with a YAML language server):
  # yaml-language-server: $schema=./afterbay.schema.json
"""


def schema(output: Output = None, as_json: AsJson = False) -> int:
    """Print the JSON Schema of pipeline files.

    For completion and checks while you type, in editors. Covers every installed node type. With --output, --json
    tells the file that was written.
    """
    from afterbay.compile.json_schema import pipeline_schema

    console.document(json.dumps(pipeline_schema(), indent=2), output)
    if output is not None and as_json:
        console.data({"file": str(output)})
    return 0

"""Run inside Prefect's environment: what its server keeps of the example, as JSON on stdout."""

import json
import sys

from prefect.client.orchestration import get_client

from afterbay.integrations.prefect import PipelineCredentials

with get_client(sync_client=True) as client:
    runs = client.read_flow_runs()
    (artifact,) = client.read_artifacts()
block = PipelineCredentials.load("bank-lake")
json.dump(
    {
        "states": [run.state.type.value for run in runs],
        "key": artifact.key,
        "markdown": artifact.data,
        "shown": str(block) + repr(block) + block.model_dump_json(),
        "kept": sorted(block.env()),
    },
    sys.stdout,
)

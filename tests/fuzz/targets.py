"""All fuzz targets by name."""

from __future__ import annotations

from collections.abc import Mapping

from tests.fuzz import change_log, pgoutput, pipeline_file, store, uri
from tests.fuzz.target import Target

TARGETS: Mapping[str, Target] = {
    "change-log": change_log.TARGET,
    "pgoutput": pgoutput.TARGET,
    "store": store.TARGET,
    "uri": uri.TARGET,
    "yaml": pipeline_file.TARGET,
}

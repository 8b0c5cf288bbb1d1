"""The conformance kit: what a node's contract asks, as checks that a node's own tests call. Needs no pytest.

::

    def test_my_source_keeps_the_contract(tmp_path):
        check_source(lambda: Ticker(ticks=100), tmp_path)

`check_source`, `check_transform` and `check_sink` raise AssertionError with what was broken and where. They take a
function that makes the node, since each of their runs has its own. `made_up` are batches with what a node may meet.
"""

from afterbay.testing.made_up import made_up
from afterbay.testing.recorded import Change, Recorded, Recorder
from afterbay.testing.sink_check import check_sink
from afterbay.testing.source_check import check_source, record
from afterbay.testing.transform_check import check_transform

__all__ = [
    "Change",
    "Recorded",
    "Recorder",
    "check_sink",
    "check_source",
    "check_transform",
    "made_up",
    "record",
]

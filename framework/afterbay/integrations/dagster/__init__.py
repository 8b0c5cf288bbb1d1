"""Dagster: a pipeline as assets, one for each output table. Needs `afterbay[dagster]`.

::

    type: afterbay.integrations.dagster.AfterbayPipeline      # defs.yaml
    attributes:
      pipeline: orders.yaml
      tables: [shop.orders, shop.customers]
      cron_schedule: "*/15 * * * *"

or in Python `afterbay_assets(…)`, `afterbay_checks(…)` and the resource `AfterbayResource`.
"""

from afterbay.integrations.dagster.assets import afterbay_assets, afterbay_checks, asset_key_of
from afterbay.integrations.dagster.component import AfterbayPipeline
from afterbay.integrations.dagster.resource import AfterbayResource

__all__ = ["AfterbayPipeline", "AfterbayResource", "afterbay_assets", "afterbay_checks", "asset_key_of"]

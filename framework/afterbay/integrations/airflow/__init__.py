"""Airflow 3: an operator, a sensor that may defer, its trigger, and a hook. Needs `afterbay[airflow]`.

Nothing of a store or a database is opened when a DAG's file is read: Airflow's workers fork, and what is opened before
the fork would be shared.
"""

from afterbay.integrations.airflow.hook import AfterbayHook
from afterbay.integrations.airflow.operator import AfterbayOperator, asset_of
from afterbay.integrations.airflow.sensor import AfterbayPositionSensor
from afterbay.integrations.airflow.trigger import AfterbayPositionTrigger

__all__ = ["AfterbayHook", "AfterbayOperator", "AfterbayPositionSensor", "AfterbayPositionTrigger", "asset_of"]

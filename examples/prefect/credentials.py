"""Keeps what the pipeline's file asks for in a block: here a folder; for S3 the keys (see docs/stores.md)."""

from pathlib import Path

from afterbay.integrations.prefect import PipelineCredentials

PipelineCredentials(variables={"BANK_LAKE": str(Path("bank/lake").absolute())}).save("bank-lake", overwrite=True)

"""The block: what a pipeline's file asks for by `${NAME}`, kept by Prefect as secrets."""

from __future__ import annotations

from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field, SecretStr


class PipelineCredentials(Block):
    """Keys of stores, passwords of databases: variables of pipeline files by name.

    A file takes them where they belong: `uri: "s3://lake/orders?access-key=${LAKE_KEY}&secret-access-key=${LAKE_SECRET}"`.
    Prefect keeps them encrypted and shows stars; they reach the pipeline alone, not the process's environment.
    """

    _block_type_name: ClassVar[str] = "Afterbay pipeline credentials"
    _block_type_slug: ClassVar[str] = "afterbay-pipeline-credentials"

    variables: dict[str, SecretStr] = Field(default_factory=dict, description="variables of the file, by name")

    def env(self) -> dict[str, str]:
        """Them in the clear, for `Pipeline.from_yaml(env=…)`."""
        return {name: value.get_secret_value() for name, value in self.variables.items()}

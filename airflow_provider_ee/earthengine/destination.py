"""Where an export writes, as users and as requests say it: ``gs://bucket/prefix``, ``projects/p/assets/a``, …

REST pages: https://developers.google.com/earth-engine/reference/rest/v1/CloudStorageDestination and its
neighbours.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.validation import Bool, Message, NaturalInt32, Text, problem

NonEmptyText = Annotated[Text, Field(min_length=1)]
TilePermissions = Literal["PUBLIC", "DEFAULT_OBJECT_ACL"]
FILES_NEED_NAMES = "give the destination a prefix ({form}), or give a description"


class Destination(Message):
    """Where an export writes; ``str`` writes it as users do."""

    scheme: ClassVar[str]
    """What stands before ``://``; none for assets."""

    form: ClassVar[str]
    """How users write it."""

    needed: ClassVar[dict[str, str]] = {}
    """Fields that a request must have, with what to do about one that is missing."""

    @classmethod
    def read(cls, rest: str) -> dict[str, str]:
        """The fields that stand for what a user has written after the scheme."""
        raise NotImplementedError


class CloudStorageDestination(Destination):
    """Objects in a bucket."""

    scheme = "gs"
    form = "gs://bucket/prefix"
    needed = {"bucket": "", "filename_prefix": FILES_NEED_NAMES}

    bucket: NonEmptyText | None = None
    filename_prefix: NonEmptyText | None = None
    permissions: TilePermissions | None = None
    bucket_cors_uris: list[Text] | None = None

    @model_validator(mode="after")
    def _check_bucket(self) -> Self:
        if self.bucket and not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", self.bucket):
            raise problem(
                f"has the bucket {self.bucket!r}; a bucket is named without gs://, "
                "with 3 or more of a-z, 0-9, '-', '_' and '.'"
            )
        return self

    @classmethod
    def read(cls, rest: str) -> dict[str, str]:
        bucket, _, prefix = rest.partition("/")
        if not bucket:
            raise RequestError(f"destination 'gs://{rest}' names no bucket; write {cls.form}.")
        return {"bucket": bucket, "filenamePrefix": prefix}

    def __str__(self) -> str:
        return f"gs://{self.bucket}/{self.filename_prefix}"


class DriveDestination(Destination):
    """Files in the caller's Drive."""

    scheme = "drive"
    form = "drive://folder/prefix"
    needed = {"filename_prefix": FILES_NEED_NAMES}

    folder: Text | None = None
    filename_prefix: NonEmptyText | None = None

    @classmethod
    def read(cls, rest: str) -> dict[str, str]:
        folder, _, prefix = rest.partition("/")
        return {"folder": folder, "filenamePrefix": prefix}

    def __str__(self) -> str:
        return f"drive://{self.folder or ''}/{self.filename_prefix}"


class AssetDestination(Destination):
    """An asset of any kind."""

    scheme = ""
    form = "projects/PROJECT/assets/NAME"
    needed = {"name": "say which asset to write"}

    name: Text | None = None

    @model_validator(mode="after")
    def _check_name(self) -> Self:
        if self.name and not re.fullmatch(r"projects/[^/\s]+/(locations/[^/\s]+/)?assets/\S*[^\s/]", self.name):
            legacy = f"projects/earthengine-legacy/assets/{self.name}"
            form = legacy if self.name.startswith("users/") else self.form
            raise problem(f"has the name {self.name!r}; write {form}")
        return self

    @classmethod
    def read(cls, rest: str) -> dict[str, str]:
        return {"name": rest}

    def __str__(self) -> str:
        return self.name or ""


class EarthEngineDestination(AssetDestination):
    """An image, a table or a classifier."""

    overwrite: Bool | None = None


class FeatureViewDestination(AssetDestination):
    """A FeatureView, which is an asset too."""

    asset_version: NaturalInt32 | None = None
    permissions: Literal["PUBLIC"] | None = None


class BigQueryDestination(Destination):
    """A table in BigQuery, whose dataset must exist."""

    scheme = "bq"
    form = "bq://project.dataset.table"
    needed = {"table": "say which table to write, as project.dataset.table"}

    table: Text | None = None
    overwrite: Bool | None = None
    append: Bool | None = None

    @model_validator(mode="after")
    def _check_table(self) -> Self:
        if self.table and not re.fullmatch(r"[^.\s/]+(\.[^.\s/]+)?\.[^.\s/]+\.[^.\s/]+", self.table):
            raise problem(f"has the table {self.table!r}; write project.dataset.table")
        if self.overwrite and self.append:
            raise problem("has both overwrite and append; set only one of them")
        return self

    @classmethod
    def read(cls, rest: str) -> dict[str, str]:
        return {"table": rest}

    def __str__(self) -> str:
        return f"bq://{self.table}"

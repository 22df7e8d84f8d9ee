"""Opening a bucket by its URL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from themis_vcs.errors import UsageError
from themis_vcs.transfer.bucket.endpoint import BucketEndpoint
from themis_vcs.transfer.bucket.storage import Bucket

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SCHEMES: Final = ("s3", "gs", "az")
_CONNECT_SECONDS: Final = 10
_RETRIES: Final = 4
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}", re.ASCII)
_PREFIX = re.compile(r"(/[A-Za-z0-9_=+@.-]+)*/?", re.ASCII)


@dataclass(frozen=True)
class BucketOptions:
    """How a bucket is reached.

    `endpoint` is the URL of a server that is not the provider's own; `allow_http` lets it be one without TLS.
    `single_writer` says that only one machine ever writes, so that a server will do that ignores conditions. `timeout`
    is seconds for one request. `credentials` are values by the names that obstore has for them, such as
    `access_key_id`; what is not given is taken from the environment, under the names that the provider's own tools use.
    """

    endpoint: str | None = None
    region: str | None = None
    allow_http: bool = False
    single_writer: bool = False
    cache: Path | None = None
    timeout: float = 120.0
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)


def open_bucket(url: str, options: BucketOptions | None = None) -> BucketEndpoint:
    """Return the endpoint of `s3://bucket/prefix`, `gs://…` or `az://…`. UsageError.

    Nothing is asked over the network.
    """
    options = options or BucketOptions()
    parts = urlsplit(url)
    prefix = parts.path.strip("/")
    plain = not (parts.query or parts.fragment) and ".." not in prefix.split("/") and "." not in prefix.split("/")
    if parts.scheme not in SCHEMES or not _BUCKET.fullmatch(parts.netloc) or not _PREFIX.fullmatch(parts.path):
        plain = False
    if not plain:
        raise UsageError("this is not the URL of a bucket", hint="write it as s3://bucket/prefix, gs://… or az://…")
    if options.endpoint is not None and not options.allow_http and not options.endpoint.startswith("https://"):
        raise UsageError(
            "the endpoint is not one with TLS", hint="use https://, or allow_http for a server of your own"
        )
    name = f"{parts.scheme}://{parts.netloc}" + (f"/{prefix}" if prefix else "")
    try:
        patient, direct = (_store(parts.scheme, parts.netloc, prefix, options, retries) for retries in (_RETRIES, 0))
    except (BaseError, ValueError, TypeError) as error:
        raise UsageError(
            f"{name}: cannot be opened with these options ({type(error).__name__})",
            hint="see that the credentials, the endpoint and the region are those of this kind of bucket",
        ) from None
    return BucketEndpoint(Bucket(patient, direct, name, conditional=not options.single_writer), options.cache)


def _store(scheme: str, bucket: str, prefix: str, options: BucketOptions, retries: int) -> ObjectStore:
    timeout = timedelta(seconds=options.timeout)
    usual: dict[str, Any] = {
        "prefix": prefix or None,
        "client_options": {
            "allow_http": options.allow_http,
            "timeout": timeout,
            "connect_timeout": timedelta(seconds=min(_CONNECT_SECONDS, options.timeout)),
        },
        "retry_config": {"max_retries": retries, "retry_timeout": timeout},
        **options.credentials,
    }
    if scheme == "gs":
        return GCSStore(bucket, **usual, **_given(base_url=options.endpoint))
    if scheme == "az":
        return AzureStore(bucket, **usual, **_given(endpoint=options.endpoint))
    return S3Store(bucket, **usual, **_given(endpoint=options.endpoint, region=options.region))


def _given(**options: str | None) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}

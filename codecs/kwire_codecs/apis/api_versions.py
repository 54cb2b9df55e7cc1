"""ApiVersions: which APIs and versions this broker speaks, and which features the cluster has.

v1 throttle time · v2 throttling moves to the client (KIP-219) · v3 client software name, client software
version, supported features, more (KIP-511, KIP-584), flexible · v4 features with a lowest version of 0
(KIP-1022) · v5 cluster id, node id (KIP-1242)
"""

from .. import wire as w
from ..errors import ErrorCode


class ApiVersions(w.Api, key=18, versions="0-5", flexible="3+"):
    class Request(w.Struct):
        client_software_name: str = w.string("3+", default="", ignorable=True)
        client_software_version: str = w.string("3+", default="", ignorable=True)
        cluster_id: str | None = w.string("5+", null="5+", default=None, ignorable=True)
        node_id: int = w.int32("5+", default=-1, ignorable=True)

    class Response(w.Struct):
        class ApiKey(w.Struct):
            api_key: int = w.int16()
            min_version: int = w.int16()
            max_version: int = w.int16()

        class SupportedFeature(w.Struct):
            name: str = w.string()
            min_version: int = w.int16()
            max_version: int = w.int16()

        class FinalizedFeature(w.Struct):
            name: str = w.string()
            max_version_level: int = w.int16()
            min_version_level: int = w.int16()

        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        api_keys: list[ApiKey] = w.array(ApiKey)
        throttle_time_ms: int = w.int32("1+", default=0, ignorable=True)
        supported_features: list[SupportedFeature] = w.array(
            SupportedFeature, "3+", default=[], tag=0, ignorable=True
        )
        finalized_features_epoch: int = w.int64("3+", default=-1, tag=1, ignorable=True)
        finalized_features: list[FinalizedFeature] = w.array(
            FinalizedFeature, "3+", default=[], tag=2, ignorable=True
        )
        zk_migration_ready: bool = w.boolean("3+", default=False, tag=3, ignorable=True)

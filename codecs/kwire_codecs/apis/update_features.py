"""UpdateFeatures: raise or lower finalised feature levels.

flexible from the start · v1 no allow downgrade, upgrade type, validate only (KIP-584) · v2 no results
"""

from .. import wire as w
from ..errors import ErrorCode


class UpdateFeatures(w.Api, key=57, versions="0-2", flexible="0+"):
    class Request(w.Struct):
        class FeatureUpdate(w.Struct):
            feature: str = w.string()
            max_version_level: int = w.int16()
            allow_downgrade: bool = w.boolean("0", default=False)
            upgrade_type: int = w.int8("1+", default=1)

        timeout_ms: int = w.int32(default=60000)
        feature_updates: list[FeatureUpdate] = w.array(FeatureUpdate)
        validate_only: bool = w.boolean("1+", default=False)

    class Response(w.Struct):
        class Result(w.Struct):
            feature: str = w.string()
            error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
            error_message: str | None = w.string(null="0+", default=None)

        throttle_time_ms: int = w.int32(default=0)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        error_message: str | None = w.string(null="0+", default=None)
        results: list[Result] = w.array(Result, "0-1", default=[], ignorable=True)

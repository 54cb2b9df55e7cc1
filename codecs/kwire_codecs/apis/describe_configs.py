"""DescribeConfigs: settings of topics, brokers, groups and the like, with where each comes from.

v1 include synonyms, no is default, config source, synonyms (KIP-226) · v2 throttling moves to the client
(KIP-219) · v3 include documentation, config type, documentation (KIP-569) · v4 flexible
"""

from .. import wire as w
from ..errors import ErrorCode


class DescribeConfigs(w.Api, key=32, versions="0-4", flexible="4+"):
    class Request(w.Struct):
        class Resource(w.Struct):
            resource_type: int = w.int8()
            resource_name: str = w.string()
            configuration_keys: list[str] | None = w.array(w.string(), null="0+")

        resources: list[Resource] = w.array(Resource)
        include_synonyms: bool = w.boolean("1+", default=False)
        include_documentation: bool = w.boolean("3+", default=False)

    class Response(w.Struct):
        class Result(w.Struct):
            class Config(w.Struct):
                class Synonym(w.Struct):
                    name: str = w.string()
                    value: str | None = w.string(null="0+")
                    source: int = w.int8()

                name: str = w.string()
                value: str | None = w.string(null="0+")
                read_only: bool = w.boolean()
                is_default: bool = w.boolean("0", default=False)
                config_source: int = w.int8("1+", default=-1, ignorable=True)
                is_sensitive: bool = w.boolean()
                synonyms: list[Synonym] = w.array(Synonym, "1+", default=[], ignorable=True)
                config_type: int = w.int8("3+", default=0, ignorable=True)
                documentation: str | None = w.string("3+", null="3+", default="", ignorable=True)

            error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
            error_message: str | None = w.string(null="0+", default=None)
            resource_type: int = w.int8()
            resource_name: str = w.string()
            configs: list[Config] = w.array(Config)

        throttle_time_ms: int = w.int32(default=0)
        results: list[Result] = w.array(Result)

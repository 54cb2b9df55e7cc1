"""AddRaftVoter: add a voter to the metadata quorum.

flexible from the start · v1 ack when committed (KIP-1186)
"""

from uuid import UUID

from .. import wire as w
from ..errors import ErrorCode


class AddRaftVoter(w.Api, key=80, versions="0-1", flexible="0+"):
    class Request(w.Struct):
        class Listener(w.Struct):
            name: str = w.string()
            host: str = w.string()
            port: int = w.uint16()

        cluster_id: str | None = w.string(null="0+")
        timeout_ms: int = w.int32()
        voter_id: int = w.int32()
        voter_directory_id: UUID = w.uuid()
        listeners: list[Listener] = w.array(Listener)
        ack_when_committed: bool = w.boolean("1+", default=True)

    class Response(w.Struct):
        throttle_time_ms: int = w.int32(default=0)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        error_message: str | None = w.string(null="0+", default=None, ignorable=True)

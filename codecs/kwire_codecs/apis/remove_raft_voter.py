"""RemoveRaftVoter: remove a voter from the metadata quorum.

flexible from the start
"""

from uuid import UUID

from .. import wire as w
from ..errors import ErrorCode


class RemoveRaftVoter(w.Api, key=81, versions="0", flexible="0+"):
    class Request(w.Struct):
        cluster_id: str | None = w.string(null="0+")
        voter_id: int = w.int32()
        voter_directory_id: UUID = w.uuid()

    class Response(w.Struct):
        throttle_time_ms: int = w.int32(default=0)
        error_code: ErrorCode = w.error_code(default=ErrorCode.NONE)
        error_message: str | None = w.string(null="0+", default=None, ignorable=True)

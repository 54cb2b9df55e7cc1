"""What a topic lets in, and how what it does not let in is refused."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from kwire_codecs.errors import ErrorCode

INT64_MAX = 0x7FFFFFFFFFFFFFFF


@dataclass(frozen=True, slots=True)
class ProduceRules:
    """What a Produce request of `version` must keep to on a topic; the other fields are topic configs.

    `compression` is None for compression.type=producer, else the codec that is stored (NONE: uncompressed).
    """

    version: int = 13
    max_message_bytes: int = 1_048_588
    segment_bytes: int = 0x7FFFFFFF
    compression: int | None = None
    compression_level: int | None = None
    compacted: bool = False
    log_append_time: bool = False
    timestamp_before_max_ms: int = INT64_MAX
    timestamp_after_max_ms: int = 3_600_000
    strict: bool = False
    max_decompressed_bytes: int = 100 * 1024 * 1024
    decodes_always: bool = field(init=False)

    def __post_init__(self) -> None:
        decodes = self.strict or self.compacted or self.timestamp_before_max_ms != INT64_MAX
        object.__setattr__(self, "decodes_always", decodes)


class Refusal(NamedTuple):
    """Why nothing of the set may be appended.

    `message` and `record_errors` (index in the batch, what is wrong) are for the response; Kafka gives them
    only where records are at fault. `with_log_start_offset` is False where Kafka's answer has -1 for it.
    """

    error_code: ErrorCode
    message: str | None = None
    record_errors: Sequence[tuple[int, str | None]] = ()
    with_log_start_offset: bool = True

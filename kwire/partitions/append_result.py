"""What an append came to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kwire_codecs.errors import ErrorCode
from kwire_storage.produce_rules import Refusal
from kwire_storage.producer_state import Duplicate


class AppendResult(NamedTuple):
    """What an append came to. `base_offset` is -1 on an error; `log_append_time_ms` is -1 under
    CreateTime.
    """

    error_code: ErrorCode
    base_offset: int = -1
    log_append_time_ms: int = -1
    log_start_offset: int = -1
    error_message: str | None = None
    record_errors: Sequence[tuple[int, str | None]] = ()
    last_offset: int = -1


def of_invalid(refusal: Refusal, log_start_offset: int) -> AppendResult:
    """The answer to records that are not fit for the log."""
    return AppendResult(
        refusal.error_code,
        error_message=refusal.message,
        record_errors=refusal.record_errors,
        log_start_offset=log_start_offset if refusal.with_log_start_offset else -1,
    )


def of_verdict(verdict: Duplicate | ErrorCode, log_start_offset: int) -> AppendResult:
    """The answer to a batch that what the producer wrote before speaks against."""
    if not isinstance(verdict, Duplicate):
        return AppendResult(verdict, log_start_offset=log_start_offset)
    return AppendResult(
        ErrorCode.NONE,
        verdict.base_offset,
        # Kafka tells the batch's time here under CreateTime too.
        verdict.timestamp_ms,
        log_start_offset,
        last_offset=verdict.last_offset,
    )

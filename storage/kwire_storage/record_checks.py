"""What is asked of each record, where records are decoded at all: a key on a compacted topic, and a timestamp
that the topic takes (Kafka: LogValidator.validateRecord).
"""

from collections.abc import Iterable

from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch as record_batch
from kwire_codecs.records.batch import Record, TimestampType

from .produce_rules import ProduceRules, Refusal

MAX_RECORD_ERRORS = 10_000
"""Kafka reports every record that it refuses; a million of them would outweigh the request many times."""


class RecordChecks:
    """What was found in the records of one batch, which `batch_type` says who timed."""

    __slots__ = ("batch_type", "errors", "max_timestamp", "now_ms", "offsets_count_up", "rules", "wrong_time")

    def __init__(self, rules: ProduceRules, now_ms: int, batch_type: TimestampType) -> None:
        self.rules = rules
        self.now_ms = now_ms
        self.batch_type = batch_type
        self.errors: list[tuple[int, str]] = []
        self.max_timestamp = record_batch.NO_TIMESTAMP
        self.offsets_count_up = True
        self.wrong_time = False

    def see(self, records: Iterable[Record]) -> None:
        """Judge each of `records`: its key on a compacted topic, then its timestamp."""
        rules = self.rules
        earliest = self.now_ms - rules.timestamp_before_max_ms
        latest = self.now_ms + rules.timestamp_after_max_ms
        check_range = not rules.log_append_time
        is_append_time = self.batch_type is TimestampType.LOG_APPEND_TIME
        for index, record in enumerate(records):
            timestamp = record.timestamp
            if timestamp > self.max_timestamp:
                self.max_timestamp = timestamp
            if record.offset != index:
                self.offsets_count_up = False
            if rules.compacted and record.key is None:
                self._error(index, "a compacted topic takes no record without a key")
            elif check_range and timestamp != record_batch.NO_TIMESTAMP:
                if not earliest <= timestamp <= latest:
                    self.wrong_time = True
                    self._error(index, f"timestamp {timestamp} is outside [{earliest}, {latest}]")
            elif is_append_time:
                self.wrong_time = True
                self._error(index, "only the broker sets the timestamp type LogAppendTime")

    def _error(self, index: int, message: str) -> None:
        if len(self.errors) < MAX_RECORD_ERRORS:
            self.errors.append((index, message))

    def refusal(self) -> Refusal:
        """The answer to the errors seen; one wrong timestamp among them settles its code."""
        if self.wrong_time:
            message = "one or more records have a timestamp that is refused"
            return Refusal(ErrorCode.INVALID_TIMESTAMP, message, self.errors)
        first = "; ".join(f"record {index}: {error}" for index, error in self.errors[:3])
        message = f"{len(self.errors)} records are refused, the first three at most: {first}"
        return Refusal(ErrorCode.INVALID_RECORD, message, self.errors)

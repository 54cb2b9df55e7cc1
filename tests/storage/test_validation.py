"""Validation answers as Kafka does, by its recorded answers, but where kwire chooses otherwise."""

import tracemalloc
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch, legacy
from kwire_codecs.records.batch import Compression, ReadableBuffer, Record, TimestampType
from kwire_storage.engine import ValidBatch
from kwire_storage.produce_rules import ProduceRules, Refusal
from kwire_storage.validation import needs_records, takes_long, validate

from tests.codecs.records import golden
from tests.storage import produce_cases, stored
from tests.storage.produce_cases import Case, patch, with_body

NOW = 1_700_000_000_000
DAY_MS = produce_cases.DAY_MS


def rules_of(topic: str, version: int, *, strict: bool, after_max_ms: int = 3_600_000) -> ProduceRules:
    """What the configs of a topic in `produce_cases.TOPICS` come to."""
    configs = produce_cases.TOPICS[topic]
    codecs = {"uncompressed": 0, **golden.CODECS}
    return ProduceRules(
        version=version,
        max_message_bytes=int(configs.get("max.message.bytes", "1048588")),
        segment_bytes=int(configs.get("segment.bytes", "1073741824")),
        compression=codecs.get(configs.get("compression.type", "producer")),
        compacted=configs.get("cleanup.policy") == "compact",
        log_append_time=configs.get("message.timestamp.type") == "LogAppendTime",
        timestamp_before_max_ms=int(configs.get("message.timestamp.before.max.ms", 2**63 - 1)),
        timestamp_after_max_ms=int(configs.get("message.timestamp.after.max.ms", after_max_ms)),
        strict=strict,
    )


class Answer(NamedTuple):
    """Kafka's: the error, what it says of offsets, refused records, and what was stored."""

    error: int
    known: int
    indices: str
    has_message: int
    summary: str


def answers(version: str) -> dict[tuple[str, str, str], Answer]:
    found = {}
    for line in (golden.VECTORS / f"validation-{version}.txt").read_text().splitlines():
        topic, api_version, name, error, known, indices, has_message, summary = line.split()
        found[topic, api_version, name] = Answer(int(error), int(known), indices, int(has_message), summary)
    return found


ANSWERS = {version: answers(version) for version in ("4.4.0", "3.9.2")}
CASES = {
    "4.4.0": list(produce_cases.modern(NOW)),
    "3.9.2": [*produce_cases.modern(NOW), *produce_cases.old(NOW)],
}
# message.timestamp.after.max.ms was unlimited by default until Kafka 4.0.
AFTER_MAX = {"4.4.0": 3_600_000, "3.9.2": 2**63 - 1}
every_topic = pytest.mark.parametrize(
    ("version", "topic"), [(version, topic) for version in CASES for topic in produce_cases.TOPICS]
)


def answer_to(case: Case, rules: ProduceRules) -> Answer:
    """kwire's answer, in the form of Kafka's."""
    result = validate(memoryview(bytearray(case.records)), rules, NOW)
    if isinstance(result, Refusal):
        known = 0 if result.with_log_start_offset and case.version >= 5 else -1
        if case.version < 8:  # whose answers have no room for more
            return Answer(result.error_code, known, "-", 0, "-")
        indices = ",".join(str(index) for index, _ in result.record_errors) or "-"
        return Answer(result.error_code, known, indices, int(result.message is not None), "-")
    if not result:
        return Answer(0, 0, "-", 0, "-")
    (valid,) = result
    assert valid.header == batch.read_header(valid.buffer)
    assert len(valid.buffer) == valid.header.size
    return Answer(0, 1, "-", 0, stored.summary(valid.buffer, NOW))


# Where kwire answers otherwise by its own choice, and why.
DEVIATIONS = {
    "length-greatest": "Kafka's arithmetic overflows: UNKNOWN_SERVER_ERROR. Here the batch is cut off",
    "length-14": "Kafka reads beyond the buffer: UNKNOWN_SERVER_ERROR. Here the batch is corrupt",
    "length-30": "the same",
    "control-transactional": "Kafka refuses the request, which has no transactional id: the handler's matter",
    "body-length-negative": "Kafka 3.9 skips through compressed records without looking at their lengths",
    "body-length-too-great": "Kafka does so still; consumers then fail on what it has stored",
    "body-length-too-small": "the same",
    "body-offsets-same": "Kafka stores these as they are, or fails to rewrite them; here they count anew",
    "body-offsets-swapped": "the same",
    "body-offsets-with-gap": "the same",
    "inner-magic-2": "Kafka takes it for an old message: what comes of that depends on its bytes",
}


# Faults that nothing but the records shows: without a reason to decode them, kwire stores what was sent.
ONLY_IN_THE_RECORDS = ["body-", "-garbage", "-cut", "max-timestamp-"]


def deviates(case: Case) -> bool:
    return any(case.name.endswith(name) for name in DEVIATIONS)


@every_topic
def test_a_strict_topic_answers_as_kafka(version: str, topic: str) -> None:
    wrong = []
    for case in CASES[version]:
        if case.topic == topic and not deviates(case):
            rules = rules_of(topic, case.version, strict=True, after_max_ms=AFTER_MAX[version])
            kafka = ANSWERS[version][topic, f"v{case.version}", case.name]
            mine = answer_to(case, rules)
            if mine != kafka:
                wrong.append((case.name, case.version, mine, kafka))
    assert wrong == []


@every_topic
def test_a_usual_topic_answers_as_kafka_or_stores_what_was_sent(version: str, topic: str) -> None:
    for case in CASES[version]:
        if case.topic != topic or deviates(case):
            continue
        rules = rules_of(topic, case.version, strict=False, after_max_ms=AFTER_MAX[version])
        mine = answer_to(case, rules)
        if mine == ANSWERS[version][topic, f"v{case.version}", case.name]:
            continue
        assert any(word in case.name for word in ONLY_IN_THE_RECORDS), case.name
        assert mine.error == 0, case.name
        assert not needs_records(memoryview(case.records), rules, NOW), case.name
        sent = bytearray(case.records)
        (valid,) = as_valid(validate(memoryview(sent), rules, NOW))
        assert valid.buffer.obj is sent
        assert rules.log_append_time or sent == case.records


def as_valid(result: list[ValidBatch] | Refusal) -> list[ValidBatch]:
    assert not isinstance(result, Refusal), result
    return result


def refused(result: list[ValidBatch] | Refusal) -> Refusal:
    assert isinstance(result, Refusal)
    return result


def test_the_usual_batch_is_handed_on_without_a_copy() -> None:
    sent = batch.build([Record(b"k", bytes(100_000), NOW)], compression=4)
    validate(memoryview(sent), ProduceRules(), NOW)
    tracemalloc.start()
    try:
        (valid,) = as_valid(validate(memoryview(sent), ProduceRules(), NOW))
        assert tracemalloc.get_traced_memory()[1] < 10_000
    finally:
        tracemalloc.stop()
    assert valid.buffer.obj is sent
    assert not valid.buffer.readonly


def test_append_time_is_stamped_in_the_bytes_that_were_sent() -> None:
    sent = batch.build([Record(b"k", b"v", 5)], compression=1)
    (valid,) = as_valid(validate(memoryview(sent), ProduceRules(log_append_time=True), NOW))
    assert valid.buffer.obj is sent
    assert (valid.header.timestamp_type, valid.header.max_timestamp) == (TimestampType.LOG_APPEND_TIME, NOW)
    assert batch.crc_is_valid(sent, 0, batch.read_header(sent))


def test_nothing_in_an_old_request_is_a_success_that_appends_nothing() -> None:
    assert validate(memoryview(bytearray()), ProduceRules(version=2), NOW) == []


def test_every_record_at_fault_is_named_with_what_is_wrong() -> None:
    records = [Record(b"k", b"v", NOW), Record(None, b"v", NOW), Record(b"k", b"v", NOW + 9 * DAY_MS)]
    result = refused(validate(memoryview(batch.build(records)), ProduceRules(compacted=True), NOW))
    assert result.error_code is ErrorCode.INVALID_TIMESTAMP
    assert [index for index, _ in result.record_errors] == [1, 2]
    assert "key" in str(result.record_errors[0][1])
    assert "timestamp" in str(result.record_errors[1][1])


def test_the_errors_of_a_huge_batch_do_not_fill_the_memory() -> None:
    keyless = batch.build([Record(None, None, NOW)] * 20_000, compression=1)
    result = refused(validate(memoryview(keyless), ProduceRules(compacted=True), NOW))
    assert len(result.record_errors) == 10_000


def test_a_level_is_handed_to_the_codec() -> None:
    records = [Record(b"k", bytes(range(256)) * 200, NOW)]
    sizes = set()
    for level in (1, 9):
        rules = ProduceRules(compression=Compression.GZIP, compression_level=level)
        (valid,) = as_valid(validate(memoryview(batch.build(records)), rules, NOW))
        sizes.add(valid.header.size)
    assert len(sizes) == 2


@pytest.mark.slow
@pytest.mark.parametrize("magic", [0, 1, 2])
@pytest.mark.parametrize("strict", [False, True])
def test_a_bomb_is_too_large_and_costs_no_memory(magic: int, strict: bool) -> None:
    big = [Record(b"k", bytes(64 << 20), NOW)]
    built = batch.build(big, compression=1) if magic == 2 else legacy.build(big, magic, compression=1)
    rules = ProduceRules(version=2, strict=strict, max_decompressed_bytes=1 << 20)
    tracemalloc.start()
    try:
        result = validate(memoryview(built), rules, NOW)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    if magic < 2 or strict:
        assert refused(result).error_code is ErrorCode.MESSAGE_TOO_LARGE
    else:
        assert len(as_valid(result)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("magic", [1, 2])
def test_a_batch_of_countless_tiny_records_costs_a_small_multiple_of_its_bytes(magic: int) -> None:
    count = 10_000
    tiny = [Record(None, None, NOW, (), index) for index in range(count)]
    built = batch.build(tiny, compression=4) if magic == 2 else legacy.build(tiny, 1, compression=1)
    rules = ProduceRules(version=2, compression=Compression.NONE, max_message_bytes=1 << 24)
    validate(memoryview(bytearray(built)), rules, NOW)
    tracemalloc.start()
    try:
        (valid,) = as_valid(validate(memoryview(built), rules, NOW))
        assert tracemalloc.get_traced_memory()[1] < 8 * count * 34
    finally:
        tracemalloc.stop()
    assert valid.header.record_count == count


def test_needs_records_foresees_what_is_decoded() -> None:
    usual = batch.build([Record(b"k", b"v", NOW)])
    late = batch.build([Record(b"k", b"v", NOW + 9 * DAY_MS)])
    packed = batch.build([Record(b"k", b"v", NOW)], compression=1)
    table: list[tuple[ReadableBuffer, ProduceRules, bool]] = [
        (usual, ProduceRules(), False),
        (packed, ProduceRules(), False),
        (usual, ProduceRules(log_append_time=True), False),
        (late, ProduceRules(), True),
        (late, ProduceRules(log_append_time=True), False),
        (usual, ProduceRules(strict=True), True),
        (usual, ProduceRules(compacted=True), True),
        (usual, ProduceRules(timestamp_before_max_ms=5), True),
        (usual, ProduceRules(compression=0), False),
        (packed, ProduceRules(compression=0), True),
        (packed, ProduceRules(compression=1), False),
        (patch(usual, (21, ">h", 8)), ProduceRules(), True),
        (legacy.build([Record(b"k", b"v", NOW)], 1), ProduceRules(version=2), True),
    ]
    for records, rules, expected in table:
        assert needs_records(memoryview(records), rules, NOW) == expected


def test_what_may_decompress_to_much_or_holds_many_records_takes_long() -> None:
    decoding = ProduceRules(strict=True)
    few = [Record(b"k", b"v", NOW)]
    table: list[tuple[ReadableBuffer, ProduceRules, bool]] = [
        (batch.build(few), decoding, False),
        (batch.build(few, compression=1), decoding, False),
        (batch.build([Record(b"k", bytes(70_000), NOW)]), decoding, True),
        (batch.build([Record(b"k", bytes(70_000), NOW)]), ProduceRules(), False),
        (batch.build([Record(b"k", bytes(9 << 20), NOW)], compression=1), decoding, True),
        (batch.build([Record(b"k", bytes(9 << 20), NOW)], compression=1), ProduceRules(), False),
        (batch.build([Record(b"k", bytes(9 << 20), NOW)], compression=4), decoding, True),
        (batch.build([Record(b"k", None, NOW)] * 1001), decoding, True),
        (batch.build([Record(b"k", None, NOW)] * 1001, compression=4), decoding, True),
        (legacy.build(few, 0), ProduceRules(version=0), False),
        (legacy.build([Record(b"k", bytes(9 << 20), NOW)], 0, compression=1), ProduceRules(version=0), True),
    ]
    for records, rules, expected in table:
        assert takes_long(memoryview(records), rules, NOW) == expected


all_rules = st.builds(
    ProduceRules,
    version=st.sampled_from([0, 2, 3, 6, 13]),
    max_message_bytes=st.sampled_from([50, 200, 1_048_588]),
    segment_bytes=st.sampled_from([100, 1 << 30]),
    compression=st.none() | st.sampled_from(range(5)),
    compression_level=st.none(),
    compacted=st.booleans(),
    log_append_time=st.booleans(),
    timestamp_before_max_ms=st.sampled_from([1000, 2**63 - 1]),
    timestamp_after_max_ms=st.sampled_from([1000, 2**63 - 1]),
    strict=st.booleans(),
    max_decompressed_bytes=st.sampled_from([10, 100_000]),
)


def judged(records: ReadableBuffer, rules: ProduceRules) -> None:
    result = validate(memoryview(bytearray(records)), rules, NOW)
    if isinstance(result, list):
        for valid in result:
            header = batch.read_header(valid.buffer)
            assert header == valid.header
            assert batch.crc_is_valid(valid.buffer, 0, header)
            assert header.base_offset == 0
            assert header.record_count == header.last_offset_delta + 1 > 0
            assert not header.is_control


@given(st.binary(max_size=150), all_rules)
def test_garbage_gets_an_answer(records: bytes, rules: ProduceRules) -> None:
    judged(records, rules)


@given(st.data(), all_rules, st.sampled_from([0, 1, 2]), st.sampled_from(range(4)), st.booleans())
def test_a_damaged_set_gets_an_answer(
    data: st.DataObject, rules: ProduceRules, magic: int, codec: int, right_crc: bool
) -> None:
    two = [Record(b"k", b"v", NOW), Record(None, b"w" * 9, NOW + 5, ((b"h", None),), 1)]
    records = (
        batch.build(two, compression=codec) if magic == 2 else legacy.build(two, magic, compression=codec)
    )
    for _ in range(data.draw(st.integers(1, 4))):
        records[data.draw(st.integers(0, len(records) - 1))] = data.draw(st.integers(0, 255))
    if right_crc and magic == 2:
        batch.write_crc(records, 0, len(records) - 12)
    judged(records, rules)


@given(st.binary(max_size=60), st.integers(-1, 5), st.sampled_from(range(5)), all_rules)
def test_a_batch_around_garbage_gets_an_answer(
    body: bytes, count: int, codec: int, rules: ProduceRules
) -> None:
    judged(with_body(body, count, codec, NOW), rules)


@given(st.binary(max_size=60), st.sampled_from([0, 1]), st.sampled_from(range(1, 4)), all_rules)
def test_a_wrapper_around_garbage_gets_an_answer(
    inner: bytes, magic: int, codec: int, rules: ProduceRules
) -> None:
    judged(produce_cases.wrap(inner, magic, codec=codec), rules)

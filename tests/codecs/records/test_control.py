"""Control records: Java's markers and KRaft records are read and made."""

import pytest
from kwire_codecs.records import batch, control
from kwire_codecs.records.batch import CorruptBatch, Record
from kwire_codecs.records.control import ControlType, EndTransactionMarker

from tests.codecs.records import golden

VECTORS = golden.load()
TIME = 1_700_000_000_000
KRAFT = {
    "leader-change": ControlType.LEADER_CHANGE,
    "snapshot-header": ControlType.SNAPSHOT_HEADER,
    "snapshot-footer": ControlType.SNAPSHOT_FOOTER,
    "kraft-version": ControlType.KRAFT_VERSION,
    "kraft-voters": ControlType.KRAFT_VOTERS,
}


@pytest.mark.parametrize(("name", "committed"), [("marker-abort", False), ("marker-commit", True)])
def test_a_transaction_marker_is_javas(name: str, committed: bool) -> None:
    marker = EndTransactionMarker(committed, 12)
    mine = control.marker_batch(marker, TIME, producer_id=4321, producer_epoch=3)
    batch.stamp(mine, 0, 77, 9)
    assert mine == VECTORS[name]
    header = batch.read_header(mine)
    assert header.is_control
    assert header.is_transactional
    (record,) = batch.records(mine, 0, header, golden.MAX_BYTES)
    assert control.decode_marker(record) == marker


@pytest.mark.parametrize(("name", "control_type"), KRAFT.items())
def test_a_kraft_control_batch_is_javas(name: str, control_type: ControlType) -> None:
    java = VECTORS[name]
    (record,) = batch.records(java, 0, batch.read_header(java), golden.MAX_BYTES)
    assert control.decode_key(record.key) is control_type
    assert control.decode_marker(record) is None
    assert record.value is not None
    assert control.kraft_batch(control_type, record.value, TIME, base_offset=0, leader_epoch=9) == java


@pytest.mark.parametrize("control_type", ControlType)
def test_a_key_comes_back(control_type: ControlType) -> None:
    assert control.decode_key(control.encode_key(control_type)) is control_type


def test_a_key_of_a_later_version_is_read_as_the_known_one() -> None:
    assert control.decode_key(b"\0\7\0\1and more") is ControlType.COMMIT


def test_an_unknown_type_is_for_the_reader_to_skip() -> None:
    assert control.decode_key(b"\0\0\0\x63") is None
    assert control.decode_key(b"\0\0\xff\xff") is None


@pytest.mark.parametrize("key", [None, b"", b"\0\0\0", b"\xff\xff\0\0"])
def test_a_key_that_is_none_is_corrupt(key: bytes | None) -> None:
    with pytest.raises(CorruptBatch):
        control.decode_key(key)


@pytest.mark.parametrize("value", [None, b"", b"\0\0\0\0\0", b"\xff\xff\0\0\0\1"])
def test_a_marker_that_is_none_is_corrupt(value: bytes | None) -> None:
    with pytest.raises(CorruptBatch):
        control.decode_marker(Record(control.encode_key(ControlType.COMMIT), value))

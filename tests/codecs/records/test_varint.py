"""Zig-zag varints at their edges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kwire_codecs.records.corrupt import CorruptBatch
from kwire_codecs.records.varint import append, encode, read_int, read_long


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, "00"),
        (-1, "01"),
        (1, "02"),
        (63, "7e"),
        (-64, "7f"),
        (64, "8001"),
        (-65, "8101"),
        (8191, "fe7f"),
        (2**31 - 1, "feffffff0f"),
        (-(2**31), "ffffffff0f"),
        (2**63 - 1, "feffffffffffffffff01"),
        (-(2**63), "ffffffffffffffffff01"),
    ],
)
def test_known_numbers_have_their_known_bytes(value: int, encoded: str) -> None:
    assert encode(value).hex() == encoded
    assert read_long(bytes.fromhex(encoded), 0) == (value, len(encoded) // 2)
    if -(2**31) <= value < 2**31:
        assert read_int(bytes.fromhex(encoded), 0) == (value, len(encoded) // 2)


@given(st.integers(-(2**63), 2**63 - 1), st.binary(max_size=3))
def test_any_64_bit_number_comes_back(value: int, around: bytes) -> None:
    out = bytearray(around)
    append(out, value)
    assert bytes(out) == around + encode(value)
    assert read_long(bytes(out) + around, len(around)) == (value, len(out))


@pytest.mark.parametrize("encoded", ["", "80", "ffffffff", "ffffffffff", "ffffffffff0f", "ffffffff1f"])
def test_what_does_not_fit_32_bits_or_ends_early_is_corrupt(encoded: str) -> None:
    with pytest.raises(CorruptBatch):
        read_int(bytes.fromhex(encoded), 0)


@pytest.mark.parametrize("encoded", ["", "80", "ff" * 9, "ff" * 10, "ff" * 9 + "02", "ff" * 10 + "01"])
def test_what_does_not_fit_64_bits_or_ends_early_is_corrupt(encoded: str) -> None:
    with pytest.raises(CorruptBatch):
        read_long(bytes.fromhex(encoded), 0)


def test_a_longer_encoding_than_needed_is_accepted_as_kafka_does() -> None:
    assert read_int(b"\x82\x80\x00", 0) == (1, 3)

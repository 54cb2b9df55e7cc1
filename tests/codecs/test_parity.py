"""The compiled codecs against the plain one, in every version of every message: on values and on garbage.

Few examples each, since there are so many; `KWIRE_EXAMPLES=200 pytest tests/codecs/test_parity.py` looks
longer, and each time at others.
"""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kwire_codecs.compile import decoder, encode_bytes
from kwire_codecs.errors import Malformed
from kwire_codecs.wire import Struct

from tests.codecs import reference
from tests.codecs.declared import messages_and_versions
from tests.codecs.strategies import messages

ALL = list(messages_and_versions())
EXAMPLES = os.environ.get("KWIRE_EXAMPLES")
FEW = settings(
    max_examples=int(EXAMPLES or 3),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    database=None,
    derandomize=EXAMPLES is None,
)


def both(cls: type[Struct], version: int, data: bytes) -> tuple[Struct | None, Struct | None]:
    """What the compiled and the plain decoder make of the same bytes; None for a refusal."""
    try:
        compiled = decoder(cls, version)(data)
    except Malformed:
        compiled = None
    try:
        plain = reference.decode(cls, version, data)
    except reference.Wrong:
        plain = None
    return compiled, plain


def same_bytes(compiled: Struct | None, plain: Struct | None, version: int) -> bool:
    """Whether two objects are equal but for a NaN, which equals nothing."""
    if compiled is None or plain is None:
        return False
    return encode_bytes(compiled, version) == encode_bytes(plain, version)


def garbled(data: bytes, chance: random.Random) -> bytes:
    """The same bytes with one thing wrong, or perhaps nothing."""
    if not data:
        return chance.randbytes(chance.randrange(4))
    at = chance.randrange(len(data))
    return chance.choice(
        [
            data[:at],
            data + chance.randbytes(chance.randrange(1, 5)),
            data[:at] + chance.randbytes(1) + data[at + 1 :],
            data[:at] + data[at + 1 :],
            data[:at] + b"\xff\xff\xff\xff\x7f"[: chance.randrange(1, 6)] + data[at + 1 :],
            chance.randbytes(len(data)),
        ]
    )


@pytest.mark.parametrize(
    ("name", "cls", "version"), ALL, ids=[f"{name}-{version}" for name, _, version in ALL]
)
def test_compiled_and_plain_codecs_agree_on_values_and_on_garbage(
    name: str, cls: type[Struct], version: int
) -> None:
    @FEW
    @given(messages(cls, version), st.integers(0, 2**32))
    def agree(message: Struct, seed: int) -> None:
        data = reference.encode(message, version)
        assert encode_bytes(message, version) == data
        assert decoder(cls, version)(data) == message
        chance = random.Random(seed)
        for _ in range(20):
            compiled, plain = both(cls, version, garbled(data, chance))
            assert compiled == plain or same_bytes(compiled, plain, version)

    agree()

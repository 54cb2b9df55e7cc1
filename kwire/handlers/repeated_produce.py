"""A produce like the one before it on the same connection, answered without reading again what is the same.

A client that produces to one partition at a time sends the same bytes again and again, but for the
correlation id, the partition's index and the records. Where the beginning of a frame is what it was, decoding
it would give what it gave, and the answer differs in its numbers only. So the first such produce is
remembered: its bytes up to the index, what they said, and an answer to be filled in.

Rules: nothing is decided here. What is appended has passed `usual`, the test that `produce.at_once` makes;
whatever is out of the ordinary (other bytes, an unusual batch, a failure) is None: for the general way.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from kwire_codecs.apis.produce import Produce
from kwire_codecs.framing import frame_response
from kwire_codecs.runtime import Bad, long_uvarint, put_uvarint

from kwire.handlers import produce

if TYPE_CHECKING:
    from kwire.handlers.context import Context
    from kwire.partitions.partition import Partition

FRONT = 8
"""Where in a frame the correlation id ends."""
LONGEST_FRONT = 1024
"""Longer ones are not kept: there may be very many connections."""
LARGEST_BYTES = 1024 * 1024
"""Of a frame: with more, the records are what costs."""
MARKS = (0x4D41524B, 0, 0x6D61726B6D61726B, 0x726B6D61726B6D61, 0x6B6D61726B6D6172)
"""Stand in for a partition's index, error code, base offset, append time and log start in an answer."""
NUMBERS = [struct.Struct(layout) for layout in (">ihqqq", ">ihqq", ">ihq")]
"""How these lie in an answer: from version 5 on, from 2 on, before."""
_INDEX = struct.Struct(">i")
_INDEX_AND_LENGTH = struct.Struct(">ii")

NO_OFFSET = bytes(8)
"""The base offset of a batch that a client sends."""


class AnswerForm:
    """The whole answer to a produce to one partition of a topic, in which the numbers are to be filled in.

    `topic` is the request's.
    """

    __slots__ = ("_at", "_count", "_frame", "_pack_into")

    def __init__(self, topic: Any, version: int) -> None:
        index, _, base_offset, append_time_ms, log_start_offset = MARKS
        partition = produce.partition_answer(
            index=index,
            base_offset=base_offset,
            log_append_time_ms=append_time_ms,
            log_start_offset=log_start_offset,
        )
        answer = produce.topic_answer(
            name=topic.name, topic_id=topic.topic_id, partition_responses=[partition]
        )
        parts, _ = frame_response(produce.answer(responses=[answer]), version, 0)
        self._frame = b"".join(parts)
        numbers = NUMBERS[0 if version >= 5 else 1 if version >= 2 else 2]
        self._count = len(numbers.format) - 1
        # A topic can be named like the marks: the numbers come behind its name.
        self._at = self._frame.rindex(numbers.pack(*MARKS[: self._count]))
        self._pack_into = numbers.pack_into

    def filled(self, correlation_id: bytes | bytearray, numbers: tuple[int, int, int, int, int]) -> bytearray:
        """The answer with its numbers: index, error code, base offset, append time, log start."""
        answer = bytearray(self._frame)
        answer[4:FRONT] = correlation_id
        if self._count == 5:
            self._pack_into(answer, self._at, *numbers)
        else:
            self._pack_into(answer, self._at, *numbers[: self._count])
        return answer


class RepeatedProduce:
    """One connection's produces to one topic, as its last one was."""

    __slots__ = ("_acks", "_cluster", "_end", "_flexible", "_form", "_front", "_is_transactional",
                 "_key_and_version", "_name", "_node_id", "_position", "_topic_id", "_version",
                 "number")  # fmt: skip

    def __init__(
        self, ctx: Context, request: Produce.Request, partition: Partition, frame: bytearray, at: int
    ) -> None:
        (topic,) = request.topic_data
        self._cluster = ctx.cluster
        self._node_id = ctx.node.id
        self._version = ctx.version
        self._acks = request.acks
        self._is_transactional = request.transactional_id is not None
        self._name = partition.topic
        self._topic_id = partition.topic_id
        self._flexible = ctx.version in Produce.flexible
        self._end = bytes(3) if self._flexible else b""
        self._key_and_version = bytes(frame[:4])
        self._front = bytes(frame[FRONT:at])
        self._position = at
        self._form = AnswerForm(topic, ctx.version)
        self.number = 1
        """How many have been remembered on this connection, this one included."""

    def answer(self, frame: memoryview) -> list[Any] | None:
        """The whole answer, records appended; None where nothing was done and the general way has to be
        taken.
        """
        data: Any = frame.obj
        at, size = self._position, len(frame)
        if (
            type(data) is not bytearray
            or len(data) != size
            or size > LARGEST_BYTES
            or not data.startswith(self._front, FRONT)
            or not data.startswith(self._key_and_version)
            or size < at + 8
        ):
            return None
        index, start = _INDEX.unpack_from(data, at)[0], at + 5
        if self._flexible:
            stop = data[at + 4]
            if stop > 127:
                try:
                    stop, start = long_uvarint(data, stop, start)
                except (Bad, IndexError):
                    return None
            stop += start - 1
        else:
            index, stop = _INDEX_AND_LENGTH.unpack_from(data, at)
            start = at + 8
            stop += start
        end = self._end
        if stop + len(end) != size or not data.endswith(end):
            return None
        cluster = self._cluster
        now_ms = cluster.clock.now_ms()
        records = frame[start:stop]
        found = produce.usual(
            cluster,
            self._node_id,
            self._version,
            self._acks,
            self._name,
            index,
            records,
            now_ms,
            self._is_transactional,
        )
        if found is None:
            return None
        partition, fields = found
        if partition.topic_id is not self._topic_id and self._version >= 13:
            return None  # the topic's name has passed on to another one
        result = partition.append_usual(records, fields, now_ms)
        if result.error_code:
            # Nothing was appended, and the general way says why. It looks at the batch as it came: one that a
            # disk has refused has got its offset already.
            records[: len(NO_OFFSET)] = NO_OFFSET
            return None
        numbers = (index, 0, result.base_offset, result.log_append_time_ms, result.log_start_offset)
        return [self._form.filled(data[4:FRONT], numbers)]


def remember(
    ctx: Context, request: Produce.Request, frame: memoryview, position: int
) -> RepeatedProduce | None:
    """What `answer`s produces like this one, which has been answered; None where they are not of that kind.

    `position` is where the request ends in the frame.
    """
    data: Any = frame.obj
    if (
        type(data) is not bytearray
        or len(data) != len(frame)
        or position != len(frame)
        or request.acks == 0
        or len(request.topic_data) != 1
        or len(request.topic_data[0].partition_data) != 1
    ):
        return None
    topic = request.topic_data[0]
    asked = topic.partition_data[0]
    name = ctx.cluster.topic_name(topic.topic_id) if ctx.version >= 13 else topic.name
    partition = None if name is None else ctx.cluster.partition(name, asked.index)
    if asked.records is None or partition is None:
        return None
    size = len(asked.records)
    behind = bytearray(_INDEX.pack(asked.index))
    if ctx.version in Produce.flexible:
        put_uvarint(behind, size + 1)
        at = len(data) - 3 - size - len(behind)
    else:
        behind += _INDEX.pack(size)
        at = len(data) - size - len(behind)
    # Something else stands there if there are tagged fields, or a length in more bytes than it needs.
    if not FRONT <= at <= LONGEST_FRONT or data[at : at + len(behind)] != behind:
        return None
    return RepeatedProduce(ctx, request, partition, data, at)

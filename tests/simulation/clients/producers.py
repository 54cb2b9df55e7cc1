"""Idempotent producers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from kwire_codecs.apis.init_producer_id import InitProducerId
from kwire_codecs.apis.produce import Produce
from kwire_codecs.errors import ErrorCode
from kwire_codecs.records import batch as record_batch

from tests.simulation.checks import History, Place
from tests.simulation.clients.calling import Caller, KnownPartition, Lost
from tests.simulation.world import World

LARGE: Final = 140_000
"""Enough for an append that is made in a thread while the disk is slow."""


@dataclass(slots=True)
class Batch:
    """Records on their way. `crashes` is the number of crashes before it was first sent."""

    texts: list[str]
    sequence: int
    data: bytes
    crashes: int = -1


@dataclass(slots=True)
class Lane:
    """A producer's way to one partition."""

    topic: str
    place: Place
    sequence: int = 0
    began: bool = False
    """Whether a batch of this producer id was acknowledged: others may follow close behind then."""
    unanswered: list[Batch] = field(default_factory=list)
    number: int = 0


class Producer(Caller):
    """Idempotent, with up to five requests on the way a partition. It never gives a record up, but where its
    topic is deleted.
    """

    def __init__(self, world: World, history: History, name: str, topics: list[str]) -> None:
        super().__init__(world, history, name)
        self.topics = topics
        self.in_flight = self.rng.randint(1, 5)
        self.producer_id = -1
        self.epoch = -1
        self.lanes: dict[Place, Lane] = {}

    async def run(self) -> None:
        while not self.stopping:
            await self.pause(0.6)
            lane = await self._some_lane()
            if lane is not None:
                await self.work(lane, self.rng.randint(1, self.in_flight))
        for lane in list(self.lanes.values()):
            await self._flush(lane)
        await self.close()

    async def work(self, lane: Lane, batches: int) -> None:
        """Sends new batches to a partition; returns when all are acknowledged."""
        if self.producer_id < 0:
            await self._new_producer_id()
        for _ in range(batches):
            self._fill(lane)
        await self._flush(lane)

    async def lane_of(self, topic: str, index: int) -> Lane | None:
        known = await self.led(topic, index)
        if known is None:
            return None
        return self.lanes.setdefault(known.place, Lane(topic, known.place))

    async def _some_lane(self) -> Lane | None:
        topic = self.rng.choice(self.topics)
        known = sorted(index for name, index in self.partitions if name == topic)
        if not known or self.rng.random() < 0.05:
            await self.refresh([topic])
            known = sorted(index for name, index in self.partitions if name == topic)
        return await self.lane_of(topic, self.rng.choice(known)) if known else None

    async def _new_producer_id(self) -> None:
        while True:
            request = InitProducerId.Request(transactional_id=None, transaction_timeout_ms=1000)
            try:
                answer, stamp = await self.ask(self.some_node(), request, self.rng.randint(0, 5))
            except Lost:
                await self.back_off()
                continue
            if not answer.error_code:
                break
            await self.back_off()
        self.producer_id, self.epoch = answer.producer_id, answer.producer_epoch
        self.history.given_producer_id(self.producer_id, self.epoch, stamp)
        for lane in self.lanes.values():
            lane.sequence = 0
            lane.began = False

    def _fill(self, lane: Lane) -> None:
        texts = []
        for _ in range(self.rng.choice((1, 1, 2, 5))):
            texts.append(f"{self.name}/{lane.place[0].hex[:6]}-{lane.place[1]}#{lane.number}")
            lane.number += 1
        self.history.sent.update(texts)
        now_ms = self.world.time.now_ms()
        padding = b"." * self.rng.choice((0, 0, 10, 300, 5000) if self.rng.random() < 0.95 else (LARGE,))
        data = record_batch.build(
            [record_batch.Record(None, text.encode() + b" " + padding, now_ms) for text in texts],
            compression=self.rng.choice((0, 0, 0, 1, 4)),
            producer_id=self.producer_id,
            producer_epoch=self.epoch,
            base_sequence=lane.sequence,
        )
        lane.unanswered.append(Batch(texts, lane.sequence, bytes(data)))
        lane.sequence += len(texts)

    async def _flush(self, lane: Lane) -> None:
        while lane.unanswered:
            known = await self.led(lane.topic, lane.place[1])
            if known is None or known.topic_id != lane.place[0]:
                # A topic that is made anew may have fewer partitions.
                is_gone = lane.topic in self.missing or any(
                    other.topic_id != lane.place[0]
                    for (name, _), other in self.partitions.items()
                    if name == lane.topic
                )
                if is_gone and (lane.place[0] in self.history.deleting or self.world.power_losses):
                    del self.lanes[lane.place]  # another topic may have its name
                    return
                self.partitions.pop((lane.topic, lane.place[1]), None)
                await self.back_off()
                continue
            try:
                done = await self._send_all(lane, known)
            except Lost:
                done = False
            if not done:
                self.partitions.pop((lane.topic, lane.place[1]), None)
                await self.back_off()

    async def _send_all(self, lane: Lane, known: KnownPartition) -> bool:
        """Sends what is unanswered, one after the other, then reads all answers. False: look for the leader
        again.
        """
        node = known.leader
        # A partition that knows nothing of a producer takes any sequence: the first goes alone.
        batches = lane.unanswered[: self.in_flight if lane.began else 1]
        asked = []
        for batch in batches:
            version = self.rng.randint(13, 13) if lane.topic.startswith("r") else self.rng.randint(3, 13)
            request = self._request(lane, batch, version)
            connection = await self.send(node, request, version)
            if batch.crashes < 0:
                batch.crashes = connection.crashes
            asked.append((batch, request, version))
        fine = True
        for batch, request, version in asked:
            stamp = self._connections[node].stamp
            answer = await self.receive(node, request, version)
            [topic] = answer.responses
            [result] = topic.partition_responses
            code = result.error_code
            if code == ErrorCode.NONE:
                self.history.acknowledged(lane.place, result.base_offset, batch.texts, stamp)
                lane.unanswered.remove(batch)
                lane.began = True
                continue
            self.history.note(lane.place, f"{batch.texts[0]} (sequence {batch.sequence}): {code.name}")
            if lane.unanswered and lane.unanswered[0] is batch and code in OUT_OF_ORDER:
                await self._forgotten(lane, batch, code)
                return False
            fine = False
        return fine

    async def _forgotten(self, lane: Lane, batch: Batch, code: ErrorCode) -> None:
        """The partition does not know what it has acknowledged, or written: begins again as a new producer.

        A restarted log knows the newest batch of each producer of its last snapshot only, as Kafka's does:
        who had several on the way over a crash may meet that.
        """
        crashed = self.world.counted["process crash"] > batch.crashes
        if not self.world.power_losses and not (crashed and self.in_flight > 1):
            self.history.broken(
                "forgotten-producer",
                lane.place,
                f"{lane.topic}-{lane.place[1]}: {code.name} for {batch.texts}",
            )
        await self.close()  # with the answers that may still come
        for other in self.lanes.values():
            other.unanswered.clear()  # sent or not, nobody knows
        await self._new_producer_id()

    def _request(self, lane: Lane, batch: Batch, version: int) -> Produce.Request:
        asked = Produce.Request.Topic
        data = [asked.Partition(index=lane.place[1], records=memoryview(bytearray(batch.data)))]
        topic = (
            asked(topic_id=lane.place[0], partition_data=data)
            if version >= 13
            else asked(name=lane.topic, partition_data=data)
        )
        return Produce.Request(acks=-1, timeout_ms=1000, topic_data=[topic])


OUT_OF_ORDER: Final = (
    ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
    ErrorCode.INVALID_PRODUCER_EPOCH,
    ErrorCode.UNKNOWN_PRODUCER_ID,
    ErrorCode.DUPLICATE_SEQUENCE_NUMBER,
)

"""The life of a consumer group (KIP-848) of up to four members, over one topic or two.

Members heartbeat, acknowledge or don't, change what they are subscribed to, leave, come back, commit, and
now and then use an epoch that is not theirs. With the uniform assignor there is one topic: of several, Kafka
takes the order from hashes of their random ids.
"""

from __future__ import annotations

from random import Random
from typing import Any, ClassVar

from .canonical import error_names
from .consumer_requests import LEAVING, LEAVING_FOR_NOW, beat, describe_consumer_groups, joining
from .lives import Exchange, Move
from .requests import commit, list_groups, offset_fetch
from .scene import Scene
from .values import Fields, resolve

MEMBERS = ("m0", "m1", "m2", "m3")
STATIC = ("m2", "m3")


class ConsumerLife:
    """What is drawn, and from what weights."""

    weights: ClassVar = {
        "join": 6, "beat": 20, "silent": 3, "wrong": 2, "leave": 2, "pause": 2, "subscribe": 3, "commit": 3,
        "offsets": 2, "describe": 4, "list": 1, "rejoin": 1,
    }  # fmt: skip

    def __init__(self, random: Random) -> None:
        self._random = random
        self._assignor = random.choice(["uniform", "range"])
        self._topics = ["topic"] if self._assignor == "uniform" else ["topic", "other"]
        sizes = [random.randint(1, 6) for _ in self._topics]
        made = [f"{topic}({size})" for topic, size in zip(self._topics, sizes, strict=True)]
        # A group's coordinator hears of a topic a little later than others do.
        self.steps = " ".join([*made, "ready", "settled"])

    def draw(self) -> Move:
        random = self._random
        word = random.choices(list(self.weights), list(self.weights.values()))[0]
        member = random.choice(MEMBERS)
        topics = tuple(random.sample(self._topics, random.randint(1, len(self._topics))))
        match word:
            case "join" | "rejoin":
                return word, random.randint(0, 1), member, topics, self._assignor
            case "subscribe":
                return word, random.randint(0, 1), member, random.choice([topics, topics, ()])
            case "wrong":
                return word, random.randint(0, 1), member, random.choice([-1, -1, 1, 5])
            case "commit":
                return (
                    word,
                    random.randint(9, 10),
                    member,
                    random.randrange(50),
                    random.choice([0, 0, 0, -1, 2]),
                )
            case "offsets":
                return word, random.randint(9, 10), member, random.choice([0, 0, -1, 2])
            case "describe":
                return word, random.randint(0, 1)
            case "list":
                return word, random.randint(0, 5)
            case _:
                return word, random.randint(0, 1), member

    def life(self, scene: Scene) -> Members:
        return Members(scene)


class Members:
    """The members on one broker: their epochs and what they own, as they were told."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._epochs: dict[str, int] = {}
        self._owned: dict[str, list[Fields]] = {}

    def play(self, move: Move) -> Exchange | None:
        word, version, *rest = move
        if rest and word not in ("join", "describe", "list") and rest[0] not in self._epochs:
            return None
        match word, *rest:
            case "join", member, topics, assignor:
                if member in self._epochs:
                    return None
                return self._join(version, member, topics, assignor)
            case "rejoin", member, topics, assignor:
                return self._join(version, member, topics, assignor)
            case "beat", member:
                return self._beat(version, member, owned=self._owned[member])
            case "silent", member:
                return self._beat(version, member)
            case "subscribe", member, topics:
                named = [f"{{{topic}}}" for topic in topics]
                return self._beat(version, member, topics=named, owned=self._owned[member])
            case "wrong", member, step:
                fields = self._heartbeat(member, self._epochs[member] + step, owned=self._owned[member])
                return self._exchange(version, member, fields, keep=False)
            case "leave", member:
                exchange = self._exchange(version, member, self._heartbeat(member, LEAVING), keep=False)
                if not error_names(exchange[2]):
                    del self._epochs[member]
                return exchange
            case "pause", member:
                fields = self._heartbeat(member, LEAVING_FOR_NOW)
                exchange = self._exchange(version, member, fields, keep=False)
                if not error_names(exchange[2]):
                    del self._epochs[member]
                return exchange
            case "commit", member, offset, step:
                epoch = self._epochs[member] + step
                fields = commit("{group}", offset, generation=epoch, member=self._id(member))
                return self._ask("OffsetCommit", version, fields)
            case "offsets", member, step:
                epoch = self._epochs[member] + step
                fields = offset_fetch("{group}", "{topic}", member=self._id(member), epoch=epoch)
                return self._ask("OffsetFetch", version, fields)
            case ("describe",):
                return self._ask("ConsumerGroupDescribe", version, describe_consumer_groups())
            case ("list",):
                return self._ask("ListGroups", version, list_groups())
            case _:
                raise AssertionError(move)

    def _join(self, version: int, member: str, topics: tuple[str, ...], assignor: str) -> Exchange:
        named = [f"{{{topic}}}" for topic in topics]
        fields = joining(self._id(member), *named, assignor=assignor, instance=self._instance(member))
        return self._exchange(version, member, fields)

    def _beat(self, version: int, member: str, **more: Any) -> Exchange:
        return self._exchange(version, member, self._heartbeat(member, self._epochs[member], **more))

    def _heartbeat(self, member: str, epoch: int, **more: Any) -> Fields:
        return beat(epoch, self._id(member), instance=self._instance(member), **more)

    def _exchange(self, version: int, member: str, fields: Fields, *, keep: bool = True) -> Exchange:
        exchange = self._ask("ConsumerGroupHeartbeat", version, fields)
        answer = exchange[2]
        if keep and not error_names(answer):
            self._epochs[member] = answer["member_epoch"]
            if answer["assignment"] is not None:
                self._owned[member] = answer["assignment"]["topic_partitions"]
            self._owned.setdefault(member, [])
        return exchange

    def _id(self, member: str) -> str:
        return f"{self._scene.name}-{member}"

    def _instance(self, member: str) -> str | None:
        return f"{self._scene.name}-{member}-instance" if member in STATIC else None

    def _ask(self, api: str, version: int, fields: Fields) -> Exchange:
        scene = self._scene
        return api, version, scene.connection().ask(api, version, resolve(fields, scene.variables))

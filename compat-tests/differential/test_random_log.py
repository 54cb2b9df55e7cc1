"""The same random life of a log on Kafka and on kwire: appends, reads, look-ups and deletions.

Each seed gives one sequence of requests in random versions. After each, the two answers must be equal but for
what compare.py allows. The seeds are fixed, so that a failure comes back; more of them: --seeds 500.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from differential import peers, requests
from differential.batches import CODECS, STAMP, Batch, Joined, MessageSet
from differential.case import FLOORS, Case, Trial
from differential.compare import unexpected
from differential.requests import Records
from differential.scene import Scene
from differential.values import Fields, resolve

STEPS = 40
HIGHEST = {"DeleteRecords": 2, "Fetch": 18, "ListOffsets": 11, "Produce": 13}
CONFIGS = [
    "", "", "", "cleanup.policy=compact", "compression.type=gzip", "compression.type=uncompressed",
    "max.message.bytes=300", "message.timestamp.type=LogAppendTime",
]  # fmt: skip

Step = tuple[str, int, Fields]


@pytest.fixture(scope="module", params=["4.4.0", "3.9.2"])
def kafka(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    if request.config.getoption("--recorded") or request.config.getoption("--record"):
        pytest.skip("needs Kafka and kwire alive")
    with peers.kafka(request.param) as bootstrap:
        yield request.param, bootstrap


def test_a_random_life_of_a_log(kafka: tuple[str, str], kwire: str, seed: int) -> None:
    version, bootstrap = kafka
    random = Random(seed)
    config = random.choice(CONFIGS)
    name = f"random-{version}-{seed}"
    with Scene(bootstrap, name) as truth, Scene(kwire, name) as image:
        for scene in (truth, image):
            scene.take(f"topic(1,{config}) settled")
        done: list[Step] = []
        for step in [_step(random, old=version == "3.9.2") for _ in range(STEPS)]:
            api, api_version, _ = step
            done.append(step)
            answers = [_answer(scene, step) for scene in (truth, image)]
            trial = Trial(Case(api, str(api_version), "random", "", {}), api_version)
            found = unexpected(trial, *answers)
            story = "\n".join(f"{name} v{number} {fields}" for name, number, fields in done)
            assert not found, "\n".join([f"topic config {config!r}", story, *map(str, found)])


def _answer(scene: Scene, step: Step) -> Any:
    api, version, fields = step
    answer = scene.connection().ask(api, version, resolve(fields, scene.variables))
    return json.loads(json.dumps({"answer": scene.canonical.of(api, answer)}))


def _step(random: Random, *, old: bool) -> Step:
    api = random.choices(["Produce", "Fetch", "ListOffsets", "DeleteRecords"], [10, 8, 4, 1])[0]
    if old:
        version = random.randrange(FLOORS.get(api, HIGHEST[api] + 1))
    else:
        version = random.randint(FLOORS.get(api, 0), HIGHEST[api])
    offset = random.randrange(-1, 40)
    match api:
        case "Produce":
            records = _message_set(random) if old else _batch(random, version)
            return api, version, requests.produce(records, acks=random.choice([1, -1]))
        case "Fetch":
            # Where Kafka 3.9 converts, it counts sizes before the conversion: no limits there.
            limit = 1_000_000 if old else random.choice([1, 100, 200, 500, 1_000_000])
            wait = random.choice([0, 0, 5])
            return api, version, requests.fetch(offset, partition_max_bytes=limit, max_wait_ms=wait)
        case "ListOffsets":
            when = random.choice([-1, -2, STAMP + random.randrange(-50, 200)] if not old else [-1, -2])
            return api, version, requests.list_offsets(when)
        case _:
            return api, random.randint(0, 2), requests.delete_records(random.randrange(-1, 12))


def _batch(random: Random, version: int) -> Records:
    values = tuple(_value(random) for _ in range(random.randint(1, 5)))
    keys = tuple(random.choice([b"a", b"b", b"c", None, b""]) for _ in values)
    if random.random() < 0.5:
        keys = tuple(key or b"k" for key in keys)
    sequence = random.choice([-1, -1, 0, len(values), random.randrange(12)])
    batch = Batch(
        values=values,
        keys=keys,
        headers=random.choice([(), (), (("h", b"1"),), (("h", None), ("", b""))]),
        codec=random.choice(CODECS[: 5 if version >= 7 or random.random() < 0.2 else 4]),
        timestamp=STAMP + random.randrange(100),
        producer_id=-1 if sequence < 0 else random.choice([7001, 7002]),
        producer_epoch=-1 if sequence < 0 else random.choice([0, 0, 0, 1]),
        base_sequence=sequence,
        damage=random.choice([*[""] * 12, "crc", "count", "last_offset_delta", "magic", "truncated"]),
    )
    return Joined((batch, batch)) if random.random() < 0.03 else batch


def _message_set(random: Random) -> Records:
    values = tuple(_value(random) for _ in range(random.randint(1, 5)))
    return MessageSet(
        values=values,
        keys=tuple(random.choice([b"a", b"b", None]) for _ in values),
        magic=random.choice([0, 1]),
        codec=random.choice(["none", "none", "gzip"]),
        timestamp=STAMP + random.randrange(100),
        damage=random.choice([*[""] * 9, "crc", "truncated"]),
        inner_offsets=random.choice(["relative", "zero"]),
    )


def _value(random: Random) -> bytes | None:
    return random.choice([None, b"", b"v" * random.randrange(120), b"value"])

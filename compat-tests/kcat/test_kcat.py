"""What people do with kcat at a prompt and in scripts; it is built on the librdkafka of its distribution."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable

import pytest
from compat.broker import Broker
from conftest import Kcat, KcatFailed, unique

LINES = [f"line {number}" for number in range(20)]
TEXT = "".join(f"{line}\n" for line in LINES)
FROM_START = ("-C", "-o", "beginning", "-e", "-q")


@pytest.mark.fast
@pytest.mark.parametrize("acks", ["0", "1", "all"])
def test_lines_are_sent_and_read(kcat: Kcat, topic: str, acks: str) -> None:
    kcat("-P", "-t", topic, "-X", f"acks={acks}", given=TEXT)
    assert kcat(*FROM_START, "-t", topic) == TEXT


@pytest.mark.fast
@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_compression(kcat: Kcat, topic: str, codec: str) -> None:
    given = "".join(f"{'long ' * 50}{number}\n" for number in range(500))
    kcat("-P", "-t", topic, "-z", codec, given=given)
    assert kcat(*FROM_START, "-t", topic, "-X", "check.crcs=true") == given


@pytest.mark.fast
def test_the_cluster_is_listed(kcat: Kcat, broker: Broker, make_topic: Callable[..., str]) -> None:
    topic = make_topic(3)
    found = json.loads(kcat("-L", "-J", "-t", topic))
    assert broker.bootstrap in [node["name"] for node in found["brokers"]]
    assert found["controllerid"] in [node["id"] for node in found["brokers"]]
    ((name, partitions),) = [(row["topic"], row["partitions"]) for row in found["topics"]]
    assert (name, [row["partition"] for row in partitions]) == (topic, [0, 1, 2])
    assert f'topic "{topic}" with 3 partitions' in kcat("-L")


@pytest.mark.fast
def test_keys_headers_and_tombstones(kcat: Kcat, topic: str) -> None:
    kcat("-P", "-t", topic, "-K:", "-Z", "-H", "one=1", "-H", "two=2", given="k:v\nk:\n:\n")
    rows = [json.loads(line) for line in kcat(*FROM_START, "-t", topic, "-J", "-Z").splitlines()]
    assert [(row["key"], row["payload"]) for row in rows] == [("k", "v"), ("k", None), (None, None)]
    assert rows[0]["headers"] == ["one", "1", "two", "2"]
    assert [row["offset"] for row in rows] == [0, 1, 2]


@pytest.mark.fast
def test_where_reading_starts_and_ends(kcat: Kcat, topic: str) -> None:
    kcat("-P", "-t", topic, "-p", "0", given=TEXT)
    assert kcat("-C", "-e", "-q", "-t", topic, "-o", "17").split("\n") == [*LINES[17:], ""]
    assert kcat("-C", "-e", "-q", "-t", topic, "-o", "-2").split("\n") == [*LINES[18:], ""]
    assert kcat("-C", "-e", "-q", "-t", topic, "-o", "end") == ""
    assert kcat(*FROM_START, "-t", topic, "-c", "3").split("\n") == [*LINES[:3], ""]
    assert kcat("-C", "-e", "-q", "-t", topic, "-o", "100", "-X", "auto.offset.reset=earliest") == TEXT


@pytest.mark.fast
def test_times(kcat: Kcat, topic: str) -> None:
    for line in LINES[:3]:
        kcat("-P", "-t", topic, given=line)
    times = [int(text) for text in kcat(*FROM_START, "-t", topic, "-f", "%T\n").split()]
    for number, time in enumerate(times):
        first = times.index(time)
        assert kcat("-Q", "-t", f"{topic}:0:{time}").strip() == f"{topic} [0] offset {first}", number
    assert kcat("-Q", "-t", f"{topic}:0:{times[-1] + 1}").strip() == f"{topic} [0] offset -1"
    assert kcat("-Q", "-t", f"{topic}:0:-1").strip() == f"{topic} [0] offset 3"
    assert kcat("-Q", "-t", f"{topic}:0:-2").strip() == f"{topic} [0] offset 0"
    since = kcat("-C", "-e", "-q", "-t", topic, "-o", f"s@{times[1]}")
    assert since == "".join(f"{line}\n" for line in LINES[times.index(times[1]) : 3])


@pytest.mark.fast
def test_an_idempotent_producer(kcat: Kcat, topic: str) -> None:
    kcat("-P", "-t", topic, "-X", "enable.idempotence=true", "-X", "batch.num.messages=2", given=TEXT)
    assert kcat(*FROM_START, "-t", topic) == TEXT


@pytest.mark.old_versions
@pytest.mark.parametrize("version", ["0.8.2.2", "0.9.0.1"])
def test_versions_of_before_api_versions(kcat: Kcat, topic: str, version: str) -> None:
    old = ("-X", "api.version.request=false", "-X", f"broker.version.fallback={version}")
    kcat("-P", "-t", topic, "-z", "gzip", *old, given=TEXT)
    assert kcat(*FROM_START, "-t", topic, *old) == TEXT
    assert kcat(*FROM_START, "-t", topic) == TEXT


@pytest.mark.fast
def test_a_group_goes_on_where_it_stopped(kcat: Kcat, make_topic: Callable[..., str]) -> None:
    topic, group = make_topic(2), unique("group")
    read = ("-G", group, topic)
    settings = ("-e", "-q", "-X", "auto.offset.reset=earliest", "-X", "session.timeout.ms=6000")
    for partition in ("0", "1"):
        kcat("-P", "-t", topic, "-p", partition, given=TEXT)
    assert sorted(kcat(*settings, *read).split("\n")) == sorted([*LINES * 2, ""])
    kcat("-P", "-t", topic, "-p", "1", given="later\n")
    assert kcat(*settings, *read) == "later\n"


@pytest.mark.fast
def test_two_members_share_a_topic(broker: Broker, kcat: Kcat, make_topic: Callable[..., str]) -> None:
    topic, group = make_topic(2), unique("group")
    words = [
        os.environ.get("KCAT", "kcat"),
        "-b",
        broker.bootstrap,
        "-u",
        "-f",
        "%p\n",
        "-X",
        "auto.offset.reset=earliest",
        "-G",
        group,
        topic,
    ]
    with (
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as first,
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as second,
    ):
        try:
            # each says "% Group ... rebalanced (memberid ...): assigned: topic [0]"
            for member in (first, second):
                assert member.stderr is not None
                while True:
                    said = member.stderr.readline()
                    assert said, "kcat ended"
                    if "assigned:" in said and said.count(f"{topic} [") == 1:
                        break
            for partition in ("0", "1"):
                kcat("-P", "-t", topic, "-p", partition, given="one\n")
            assert first.stdout is not None
            assert second.stdout is not None
            assert {first.stdout.readline(), second.stdout.readline()} == {"0\n", "1\n"}
        finally:
            first.terminate()
            second.terminate()


def test_a_topic_is_made_by_use(kcat: Kcat) -> None:
    topic = unique("made-by-use")
    kcat("-P", "-t", topic, given="first\n")
    assert kcat(*FROM_START, "-t", topic) == "first\n"


def test_a_message_over_the_brokers_limit_is_refused(kcat: Kcat, topic: str) -> None:
    with pytest.raises(KcatFailed, match="Message size too large"):
        kcat("-P", "-t", topic, "-X", "message.max.bytes=4000000", "-D", "\x01", given=b"x" * 2_000_000)


def test_a_topic_that_is_not_there(kcat: Kcat) -> None:
    with pytest.raises(KcatFailed, match="Unknown topic or partition"):
        kcat(*FROM_START, "-t", unique("missing"), "-X", "allow.auto.create.topics=false")


def test_committed_records_are_read(kcat: Kcat, topic: str) -> None:
    kcat("-P", "-t", topic, "-X", f"transactional.id={unique('tx')}", given=TEXT)
    assert kcat(*FROM_START, "-t", topic, "-X", "isolation.level=read_committed") == TEXT

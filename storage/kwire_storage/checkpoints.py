"""The small text files beside the logs, in Kafka's formats; pure: text in, values out.

A checkpoint file: a line with its version (0), a line with the number of entries, a line an entry (Kafka:
CheckpointFile). `partition.metadata`: `version: 0` and `topic_id: <Uuid>`. `meta.properties`: a Java
properties file. `.kafka_cleanshutdown`: JSON. Whatever does not read raises `BadCheckpoint`.
"""

import json
from collections.abc import Iterable, Mapping
from itertools import pairwise
from uuid import UUID

from . import uuids
from .leader_epochs import EpochEntry

VERSION = 0
META_VERSION = 1


class BadCheckpoint(Exception):
    """A checkpoint file's text is not what it should be."""


def _encode(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in [str(VERSION), str(len(lines)), *lines]).encode()


def _decode(data: bytes, fields: int) -> list[list[str]]:
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError as wrong:
        raise BadCheckpoint(f"it is not text: {wrong}") from None
    if data and not data.endswith(b"\n"):
        raise BadCheckpoint("it ends in the middle of a line")
    if len(lines) < 2:
        return []  # as Kafka has it: a file that was made and never written
    if lines[0].strip() != str(VERSION):
        raise BadCheckpoint(f"its version is {lines[0]!r}, not {VERSION}")
    entries = [line.split() for line in lines[2:]]
    if lines[1].strip() != str(len(entries)):
        raise BadCheckpoint(f"it announces {lines[1]!r} entries and has {len(entries)}")
    for number, entry in enumerate(entries, 3):
        if len(entry) != fields:
            raise BadCheckpoint(f"line {number} has {len(entry)} fields, not {fields}")
    return entries


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise BadCheckpoint(f"{text!r} is no number") from None


def encode_offsets(offsets: Mapping[tuple[str, int], int]) -> bytes:
    """A file of (topic, partition) -> offset."""
    return counted(len(offsets), [offset_lines(offsets.items())])


def offset_lines(entries: Iterable[tuple[tuple[str, int], int]]) -> str:
    """The lines of some entries of such a file."""
    return "".join([f"{topic} {partition} {offset}\n" for (topic, partition), offset in entries])


def counted(count: int, pieces: Iterable[str]) -> bytes:
    """A checkpoint file of `count` lines, which come in pieces."""
    return "".join((f"{VERSION}\n{count}\n", *pieces)).encode()


def decode_offsets(data: bytes) -> dict[tuple[str, int], int]:
    """What `encode_offsets` wrote, or Kafka."""
    return {(topic, _number(partition)): _number(offset) for topic, partition, offset in _decode(data, 3)}


def encode_epochs(entries: Iterable[EpochEntry]) -> bytes:
    """`leader-epoch-checkpoint`."""
    return _encode([f"{epoch} {start_offset}" for epoch, start_offset in entries])


def decode_epochs(data: bytes) -> list[EpochEntry]:
    """What `encode_epochs` wrote, or Kafka; epochs and offsets must rise."""
    entries = [EpochEntry(_number(epoch), _number(start)) for epoch, start in _decode(data, 2)]
    for entry, following in pairwise(entries):
        if following.epoch <= entry.epoch or following.start_offset <= entry.start_offset:
            raise BadCheckpoint(f"{following} does not follow {entry}")
    if entries and (entries[0].epoch < 0 or entries[0].start_offset < 0):
        raise BadCheckpoint(f"{entries[0]} is negative")
    return entries


def encode_partition_metadata(topic_id: UUID) -> bytes:
    """`partition.metadata`."""
    return f"version: 0\ntopic_id: {uuids.to_text(topic_id)}\n".encode()


def decode_partition_metadata(data: bytes) -> UUID:
    """The topic id in `partition.metadata`."""
    values = {}
    for line in data.decode(errors="replace").splitlines():
        name, _, value = line.partition(":")
        values[name.strip()] = value.strip()
    if values.get("version") != "0":
        raise BadCheckpoint(f"its version is {values.get('version')!r}, not 0")
    try:
        return uuids.from_text(values.get("topic_id", ""))
    except ValueError as wrong:
        raise BadCheckpoint(str(wrong)) from None


def encode_meta_properties(cluster_id: str, node_id: int, directory_id: UUID) -> bytes:
    """`meta.properties` of one log directory, version 1 (Kafka: MetaProperties)."""
    lines = {
        "version": META_VERSION,
        "cluster.id": cluster_id,
        "node.id": node_id,
        "directory.id": uuids.to_text(directory_id),
    }
    return "".join(f"{name}={value}\n" for name, value in lines.items()).encode()


def decode_properties(data: bytes) -> dict[str, str]:
    """A Java properties file, as far as these files need it: `name=value` lines and comments."""
    values = {}
    for line in data.decode("latin-1").splitlines():
        line = line.strip()
        if line and line[0] not in "#!":
            name, _, value = line.partition("=")
            values[name.strip()] = value.strip()
    return values


def encode_clean_shutdown(broker_epoch: int) -> bytes:
    """`.kafka_cleanshutdown`."""
    return json.dumps({"version": VERSION, "brokerEpoch": broker_epoch}, separators=(",", ":")).encode()


def decode_clean_shutdown(data: bytes) -> int:
    """The broker epoch in `.kafka_cleanshutdown`, -1 when it does not say (that it is there counts)."""
    try:
        epoch = json.loads(data)["brokerEpoch"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return -1
    return epoch if isinstance(epoch, int) else -1

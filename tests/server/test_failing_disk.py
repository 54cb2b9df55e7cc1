"""Requests that change metadata while the disk that holds it fails: an error that clients retry, one line in
the log, and no harm once the disk works again.
"""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from kwire_codecs.apis.create_topics import CreateTopics
from kwire_codecs.apis.init_producer_id import InitProducerId
from kwire_codecs.errors import ErrorCode

from tests.broker_client import connected, serving
from tests.storage.disks import FailingDisk


def wanted(name: str) -> CreateTopics.Request:
    asked = CreateTopics.Request.Topic
    return CreateTopics.Request(
        topics=[asked(name=name, num_partitions=1, replication_factor=1, assignments=[], configs=[])]
    )


async def test_a_topic_that_cannot_be_written_down_is_refused_and_can_be_made_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = FailingDisk()
    async with serving(data=[tmp_path], files=disk) as running, connected(running) as client:
        disk.bytes_left = 0
        with caplog.at_level(logging.ERROR):
            refused = await client.ask(wanted("t"), 7)
        assert refused.topics[0].error_code == ErrorCode.KAFKA_STORAGE_ERROR
        [line] = [record for record in caplog.records if "CreateTopics" in record.getMessage()]
        assert line.exc_info is None
        disk.bytes_left = 1 << 30
        assert (await client.ask(wanted("t"), 7)).topics[0].error_code == ErrorCode.NONE


async def test_a_producer_id_that_cannot_be_written_down_is_refused(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with serving(data=[tmp_path], files=disk) as running, connected(running) as client:
        disk.bytes_left = 0
        asked = InitProducerId.Request(transactional_id=None, transaction_timeout_ms=1000)
        assert (await client.ask(asked, 4)).error_code == ErrorCode.KAFKA_STORAGE_ERROR
        disk.bytes_left = 1 << 30
        assert (await client.ask(asked, 4)).error_code == ErrorCode.NONE

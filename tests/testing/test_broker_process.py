"""A broker as a child process: questions, and what is said when it cannot be had."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from kwire.testing.broker_process import BrokerFailed, BrokerProcess
from kwire.testing.client import AdminError
from kwire.testing.topics import create_topic, delete_topics

OPTIONS = ["--port", "0", "--memory"]


def test_it_answers_questions_in_order_and_says_what_it_does_not_know() -> None:
    with BrokerProcess([*OPTIONS, "--request-log", "2"]) as broker:
        assert broker.ask("requests") == []
        assert broker.ask("nonsense") == {"error": "'nonsense' is no question; there are: requests"}
        create_topic(broker.bootstrap_servers, "t", 1)
        assert [text.split()[2] for _, text in broker.ask("requests")] == ["CreateTopics", "Metadata"]
    assert broker.exit_code == 0


def test_no_request_is_noted_as_older_than_it_is() -> None:
    with BrokerProcess([*OPTIONS, "--request-log", "2"]) as broker:
        for number in range(20):
            before = time.time()
            create_topic(broker.bootstrap_servers, f"t{number}", 1)
            at, _ = broker.ask("requests")[0]
            assert before <= at <= time.time()


def test_without_a_request_log_there_is_nothing_to_ask() -> None:
    with BrokerProcess(OPTIONS) as broker:
        assert "there are: none" in broker.ask("requests")["error"]


def test_one_that_is_gone_is_told_by_its_exit_code() -> None:
    with BrokerProcess(OPTIONS) as broker:
        os.kill(broker.pid, signal.SIGKILL)
        with pytest.raises(BrokerFailed, match="gone"):
            broker.ask("requests")
    assert broker.exit_code == -signal.SIGKILL


def test_one_that_cannot_start_fails_with_its_exit_code() -> None:
    with pytest.raises(BrokerFailed) as failure:
        BrokerProcess([*OPTIONS, "--set", "num.partition=3"], log=subprocess.DEVNULL)
    assert failure.value.exit_code == 1


def test_topics_are_made_once_and_deleted_as_often_as_one_likes() -> None:
    with BrokerProcess(OPTIONS) as broker:
        create_topic(broker.bootstrap_servers, "t", 3)
        with pytest.raises(AdminError, match="topic t: "):
            create_topic(broker.bootstrap_servers, "t", 3)
        delete_topics(broker.bootstrap_servers, ["t"])
        delete_topics(broker.bootstrap_servers, ["t"])
        create_topic(broker.bootstrap_servers, "t", 1)


@pytest.mark.parametrize("address", ["", "localhost", "localhost:kafka"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(AdminError, match="is no address; HOST:PORT is"):
        delete_topics(address, ["t"])

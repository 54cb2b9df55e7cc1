"""The pytest plugin as its user meets it: pytest in a process of its own, on test files written here.

Plugins are named instead of found, so that this holds whether or not kwire's is installed in the environment.
"""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

# What a client in any language does, in few lines: ApiVersions 0, asked under a name that can be found again.
CLIENT = """
import socket, struct

def ask(address, client_id=b"test-client"):
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as sock:
        sock.sendall(struct.pack(">ihhih", 10 + len(client_id), 18, 0, 7, len(client_id)) + client_id)
        return struct.unpack(">iih", sock.recv(10, socket.MSG_WAITALL))[2]

def topics(address):
    from kwire.testing import client
    from kwire_codecs.apis.metadata import Metadata

    with client.connect(address) as sock:
        request = Metadata.Request(topics=None, allow_auto_topic_creation=False)
        answered = client.ask(sock, request, 4).topics
        return {topic.name: len(topic.partitions) for topic in answered if not topic.is_internal}

def join(address, group_id):
    "A member of a group, which stays until it leaves; gives its id."
    from kwire.testing import client
    from kwire_codecs.apis.find_coordinator import FindCoordinator
    from kwire_codecs.apis.join_group import JoinGroup

    with client.connect(address) as sock:
        client.ask(sock, FindCoordinator.Request(key=group_id), 1)
        joined = client.ask(sock, JoinGroup.Request(
            group_id=group_id, session_timeout_ms=60000, rebalance_timeout_ms=60000, member_id="",
            protocol_type="consumer",
            protocols=[JoinGroup.Request.Protocol(name="range", metadata=b"")],
        ), 2)
        assert not joined.error_code
        return joined.member_id

def leave(address, group_id, member_id):
    from kwire.testing import client
    from kwire_codecs.apis.leave_group import LeaveGroup

    with client.connect(address) as sock:
        client.ask(sock, LeaveGroup.Request(group_id=group_id, member_id=member_id), 1)

def groups(address):
    from kwire.testing import client
    from kwire_codecs.apis.list_groups import ListGroups

    with client.connect(address) as sock:
        return {group.group_id for group in client.ask(sock, ListGroups.Request(), 2).groups}
"""


@pytest.fixture(autouse=True)
def _named_plugins_only(monkeypatch: pytest.MonkeyPatch, pytester: pytest.Pytester) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makepyfile(client=CLIENT)


def run(pytester: pytest.Pytester, tests: str, *arguments: str) -> pytest.RunResult:
    """Runs pytest on a file of tests."""
    pytester.makepyfile(test_it=tests)
    return pytester.runpytest_subprocess("-p", "kwire.pytest_plugin", "-W", "error", *arguments, timeout=120)


def wait_until_gone(pid: int) -> None:
    """Returns when there is no such process; the tests' own deadline ends the wait otherwise."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([process], [], [], 60)[0], f"process {pid} goes on"
    finally:
        os.close(process)


def test_a_test_gets_a_broker_a_topic_and_a_group(pytester: pytest.Pytester) -> None:
    done = run(
        pytester,
        """
        from client import ask, topics

        def test_it(kafka, kafka_broker):
            assert kafka.bootstrap_servers == kafka_broker
            assert ask(kafka_broker) == 0
            orders = kafka.topic("orders", partitions=3)
            assert orders.startswith("orders-")
            assert topics(kafka_broker) == {orders: 3}
            assert kafka.group() != kafka.group()

        def test_others(kafka):
            assert topics(kafka.bootstrap_servers) == {}
            assert kafka.topic().startswith("test_others-")
            assert len({kafka.topic("t"), kafka.topic("t")}) == 2

        def test_after_others(kafka):
            assert topics(kafka.bootstrap_servers) == {}
        """,
    )
    done.assert_outcomes(passed=3)


def test_groups_are_deleted_when_their_members_have_left(pytester: pytest.Pytester) -> None:
    done = run(
        pytester,
        """
        from client import groups, join, leave

        closed, unclosed = "", ""

        def test_it(kafka):
            global closed, unclosed
            closed, unclosed, unused = kafka.group("closed"), kafka.group("unclosed"), kafka.group()
            join(kafka.bootstrap_servers, unclosed)
            leave(kafka.bootstrap_servers, closed, join(kafka.bootstrap_servers, closed))
            assert groups(kafka.bootstrap_servers) == {closed, unclosed}

        def test_after(kafka):
            assert groups(kafka.bootstrap_servers) == {unclosed}
        """,
    )
    done.assert_outcomes(passed=2)


def test_groups_of_three_brokers_are_deleted_where_they_are(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nkafka_options = --brokers 3\n")
    done = run(
        pytester,
        """
        import pytest
        from client import groups
        from kwire.testing.client import ask, connect
        from kwire_codecs.apis.find_coordinator import FindCoordinator
        from kwire_codecs.apis.offset_commit import OffsetCommit

        def commit(address, topic, group_id):
            with connect(address) as sock:
                found = ask(sock, FindCoordinator.Request(key=group_id), 1)
            partition = OffsetCommit.Request.Topic.Partition(
                partition_index=0, committed_offset=0, committed_metadata="")
            topic = OffsetCommit.Request.Topic(name=topic, partitions=[partition])
            with connect(f"{found.host}:{found.port}") as sock:
                answer = ask(sock, OffsetCommit.Request(
                    group_id=group_id, generation_id_or_member_epoch=-1, member_id="", topics=[topic]), 2)
            assert not answer.topics[0].partitions[0].error_code
            return found.node_id

        def test_it(kafka):
            topic = kafka.topic()
            nodes = {commit(kafka.bootstrap_servers, topic, kafka.group()) for _ in range(12)}
            assert len(nodes) > 1

        def test_after(kafka_broker):
            for address in kafka_broker.split(","):
                assert groups(address) == set()
        """,
    )
    done.assert_outcomes(passed=2)


def test_a_topics_name_is_made_of_what_a_topic_may_have(pytester: pytest.Pytester) -> None:
    done = run(
        pytester,
        """
        import pytest

        @pytest.mark.parametrize("word", ["a b/c", "x" * 300, "\\u00e9"])
        def test_it(kafka, word):
            kafka.topic()
            kafka.topic(word)
        """,
    )
    done.assert_outcomes(passed=3)


def test_a_failed_test_shows_the_brokers_log_and_its_own_requests_only(pytester: pytest.Pytester) -> None:
    done = run(
        pytester,
        """
        from client import ask

        def test_before(kafka):
            ask(kafka.bootstrap_servers, b"the-one-before")

        def test_it(kafka):
            ask(kafka.bootstrap_servers, b"looked-for")
            kafka.topic("orders")
            assert False

        def test_without(tmp_path):
            assert False
        """,
    )
    done.assert_outcomes(passed=1, failed=2)
    said = done.stdout.str()
    assert said.count("kwire: the last 50 requests of this test") == 1
    assert said.count("kwire: the broker's log in this test") == 1
    assert re.search(r"127\.0\.0\.1:\d+ 'looked-for' ApiVersions v0", said)
    assert re.search(r"'kwire-testing' CreateTopics v4: topics=\[\{name='orders-\w+' num_partitions=1", said)
    assert "the-one-before" not in said


def test_a_broker_that_is_gone_is_said_in_the_report(pytester: pytest.Pytester) -> None:
    done = run(
        pytester,
        """
        import os, signal

        def test_it(kafka_broker, pytestconfig):
            from kwire.pytest_plugin import _SESSION
            broker = pytestconfig.stash[_SESSION].broker
            os.kill(broker.pid, signal.SIGKILL)
            while broker.exit_code is None:
                pass
            assert False
        """,
    )
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["the broker is gone; exit code -9"])


def test_the_broker_ends_with_a_test_run_that_is_killed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import os, signal

        def test_it(kafka_broker, pytestconfig):
            from kwire.pytest_plugin import _SESSION
            print("pid of the broker:", pytestconfig.stash[_SESSION].broker.pid, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    done = pytester.runpytest_subprocess("-p", "kwire.pytest_plugin", "-s", timeout=120)
    assert done.ret == -9
    found = re.search(r"pid of the broker: (\d+)", done.stdout.str())
    assert found
    wait_until_gone(int(found[1]))


def test_another_broker_can_be_named(pytester: pytest.Pytester) -> None:
    from kwire.testing.broker_process import BrokerProcess

    tests = """
        import pytest

        def test_it(kafka, request):
            assert kafka.bootstrap_servers == request.config.getini("expected")
            kafka.topic()
        """
    pytester.makeconftest("def pytest_addoption(parser): parser.addini('expected', '')")
    with BrokerProcess(["--port", "0", "--memory", "--brokers", "2"], log=subprocess.DEVNULL) as broker:
        address = broker.bootstrap_servers
        expected = ("-o", f"expected={address}")
        run(pytester, tests, *expected, "--kafka-bootstrap", address).assert_outcomes(passed=1)
        run(pytester, tests, *expected, "-o", f"kafka_bootstrap={address}").assert_outcomes(passed=1)


def test_the_brokers_options_come_from_the_ini_file(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nkafka_options = --set num.partitions=3\n")
    done = run(
        pytester,
        """
        from client import topics

        def test_it(kafka):
            name = kafka.topic(partitions=-1)
            assert topics(kafka.bootstrap_servers) == {name: 3}
        """,
    )
    done.assert_outcomes(passed=1)


def test_a_broker_that_cannot_start_says_why(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nkafka_options = --set num.partition=3\n")
    done = run(pytester, "def test_it(kafka): pass")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*did you mean num.partitions?"])


def test_each_xdist_worker_has_a_broker_of_its_own(pytester: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    done = run(
        pytester,
        """
        import os, pathlib, pytest
        from client import ask, topics

        @pytest.mark.parametrize("number", range(4))
        def test_it(kafka, number):
            worker = os.environ["PYTEST_XDIST_WORKER"]
            pathlib.Path(f"{worker}-{kafka.bootstrap_servers}").touch()
            name = kafka.topic("t")
            assert topics(kafka.bootstrap_servers) == {name: 1}
            ask(kafka.bootstrap_servers, f"of-{number}".encode())
            assert number != 3
        """,
        "-p",
        "xdist.plugin",
        "-n",
        "2",
    )
    done.assert_outcomes(passed=3, failed=1)
    places = [path.name.split("-") for path in Path(pytester.path).glob("gw*-127*")]
    workers, addresses = zip(*places, strict=True)
    assert len(places) == len(set(workers)) == len(set(addresses))
    said = done.stdout.str()
    assert "'of-3' ApiVersions v0" in said
    assert "'of-2'" not in said


def test_loading_it_imports_nothing_of_kwire_and_not_trio() -> None:
    code = (
        "import sys, pytest, kwire; before = set(sys.modules); import kwire.pytest_plugin; "
        "print(*sorted(set(sys.modules) - before))"
    )
    said = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert said.split() == ["kwire.pytest_plugin"]


def test_a_run_that_needs_no_broker_starts_none(pytester: pytest.Pytester) -> None:
    done = run(
        pytester,
        """
        import sys

        def test_it():
            assert "trio" not in sys.modules
            assert "kwire.testing.broker_process" not in sys.modules
        """,
    )
    done.assert_outcomes(passed=1)

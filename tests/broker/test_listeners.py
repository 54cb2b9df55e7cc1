"""Listeners out of Kafka's properties, and the messages for those that make no sense."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwire.broker.listeners import Listener, ListenerError, parse_listeners


def test_listeners_take_their_protocol_from_the_map_or_their_name() -> None:
    assert parse_listeners(
        "PLAINTEXT://:9092, INSIDE://[::1]:0", "PLAINTEXT://kafka.example:19092", "INSIDE:PLAINTEXT"
    ) == [
        Listener("PLAINTEXT", "", 9092, "PLAINTEXT", ("kafka.example", 19092)),
        Listener("INSIDE", "::1", 0, "PLAINTEXT"),
    ]


@pytest.mark.parametrize(
    ("listeners", "advertised", "protocols", "said"),
    [
        ("", None, None, "empty"),
        ("localhost:9092", None, None, "NAME://host:port"),
        ("A://h:1", None, None, "listener.security.protocol.map=A:PLAINTEXT"),
        ("A://h:1", None, "A:NOTHING", "NAME:PROTOCOL"),
        ("A://h:1,A://h:2", None, "A:PLAINTEXT", "twice"),
        ("A://h:70000", None, "A:PLAINTEXT", "0 to 65535"),
        ("A://h:-1", None, "A:PLAINTEXT", "0 to 65535"),
        ("A://h:1,B://h:1", None, "A:PLAINTEXT,B:PLAINTEXT", "port 1"),
        ("A://h:1", "B://h:1", "A:PLAINTEXT", "not among listeners"),
        ("A://h:1,a://h:2", None, "A:PLAINTEXT", "twice"),
        ("A://h:1,B://i:1", None, "A:PLAINTEXT,B:PLAINTEXT", "port 1"),
        ("A://1.2.3.4:1,B://[::1]:1,C://[::2]:1", None, "A:PLAINTEXT,B:PLAINTEXT,C:PLAINTEXT", "port 1"),
        ("A://h:1", "A://0.0.0.0:1", "A:PLAINTEXT", "no client can reach"),
        ("A://h:1", "A://h:0", "A:PLAINTEXT", "no client can reach"),
        ("C://h:1", None, None, "none but those of controllers"),
        ("A://h:1,C://h:2", "C://h:2", "A:PLAINTEXT", "keeps for controllers"),
        ("A://h:1,C://h:1", None, "A:PLAINTEXT", "port 1"),
        ("SSL://h:1", None, None, "SSL"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(
    listeners: str, advertised: str | None, protocols: str | None, said: str
) -> None:
    with pytest.raises(ListenerError, match=said):
        parse_listeners(listeners, advertised, protocols, ["c"])


def test_names_and_protocols_may_be_small() -> None:
    assert parse_listeners("plaintext://h:1,in://h:2", None, "in:plaintext") == [
        Listener("PLAINTEXT", "h", 1, "PLAINTEXT"),
        Listener("IN", "h", 2, "PLAINTEXT"),
    ]


def test_an_ipv4_and_an_ipv6_address_may_share_a_port() -> None:
    assert len(parse_listeners("A://1.2.3.4:1,B://[::1]:1", None, "A:PLAINTEXT,B:PLAINTEXT")) == 2


def test_the_listeners_of_controllers_are_left_out_whatever_they_speak() -> None:
    assert parse_listeners("CONTROLLER://:1,PLAINTEXT://:2", None, "CONTROLLER:SSL", ["CONTROLLER"]) == [
        Listener("PLAINTEXT", "", 2, "PLAINTEXT")
    ]


@given(st.text(max_size=60), st.none() | st.text(max_size=60), st.none() | st.text(max_size=60))
def test_any_text_is_parsed_or_refused(listeners: str, advertised: str | None, protocols: str | None) -> None:
    with contextlib.suppress(ListenerError):
        assert parse_listeners(listeners, advertised, protocols)

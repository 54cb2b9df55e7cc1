"""InitProducerId without transactions."""

# A case is a line.
# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from ..case import Case
from ..requests import init_producer_id

AGAIN = [("InitProducerId", 3, init_producer_id(None))]

CASES = [
    Case("InitProducerId", "0-5", "new producer", "", init_producer_id(None)),
    Case("InitProducerId", "0-5", "each one another", "", init_producer_id(None), then=AGAIN),
    Case("InitProducerId", "0-5", "time-out does not matter without transactions", "", init_producer_id(None, timeout_ms=-5)),
    Case("InitProducerId", "0-5", "empty transactional id", "", init_producer_id(""), "INVALID_REQUEST"),
    Case("InitProducerId", "0-5", "transactional id", "transactions", init_producer_id("{group}")),
    Case("InitProducerId", "0-5", "transactional id with no time", "transactions", init_producer_id("{group}", timeout_ms=0), "INVALID_TRANSACTION_TIMEOUT"),
    Case("InitProducerId", "3-5", "own id and epoch without transactions", "producer", init_producer_id(None, producer="{producer}", epoch="{epoch}")),
    Case("InitProducerId", "3-5", "id without epoch", "", init_producer_id(None, producer=5), "INVALID_REQUEST"),
    Case("InitProducerId", "3-5", "epoch without id", "", init_producer_id(None, epoch=5), "INVALID_REQUEST"),
]

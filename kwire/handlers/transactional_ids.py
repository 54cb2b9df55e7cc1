"""What a program hears that wants transactions, while kwire has none: one error that every client takes as
final.

TRANSACTIONAL_ID_AUTHORIZATION_FAILED, in FindCoordinator and in InitProducerId. An error that says
"unsupported" would be more honest, but clients give up on this one only:

- librdkafka asks for the coordinator again for ever, on any error but TRANSACTIONAL_ID_AUTHORIZATION_FAILED
  and CLUSTER_AUTHORIZATION_FAILED, which are fatal (rdkafka_txnmgr.c, rd_kafka_txn_handle_FindCoordinator);
- Java (TransactionManager.FindCoordinatorHandler) fails for good on any error that is not retriable;
- kafka-python and sarama raise it at once.
"""

from __future__ import annotations

from typing import Final

from kwire_codecs.errors import ErrorCode

NO_TRANSACTIONS: Final = ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
NO_TRANSACTIONS_MESSAGE: Final = "kwire has no transactions yet: remove transactional.id from the producer"

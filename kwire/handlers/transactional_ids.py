"""What a program hears that wants transactions, while kwire has none: an error that no client repeats for
ever.

TRANSACTIONAL_ID_AUTHORIZATION_FAILED, in FindCoordinator and in InitProducerId. An error that says
"unsupported" would be more honest, but clients give up on this one only:

- librdkafka asks for the coordinator again for ever, on any error but TRANSACTIONAL_ID_AUTHORIZATION_FAILED
  and CLUSTER_AUTHORIZATION_FAILED, which are fatal (rdkafka_txnmgr.c, rd_kafka_txn_handle_FindCoordinator);
- Java (TransactionManager.FindCoordinatorHandler) fails for good on any error that is not retriable;
- kafka-python raises it at once;
- sarama repeats any error of FindCoordinator 50 times, 100 ms apart, and gives up after five seconds.
"""

from __future__ import annotations

from typing import Final

from kwire_codecs.errors import ErrorCode

NO_TRANSACTIONS: Final = ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
NO_TRANSACTIONS_MESSAGE: Final = "kwire has no transactions yet: remove transactional.id from the producer"

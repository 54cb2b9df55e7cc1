"""What a cleaning knows of transactions as it goes through a log: whose data was aborted, and whether a
marker's transaction still has data (Kafka: CleanedTransactionMetadata).

Data of aborted transactions may go. A marker stays as long as a batch of its transaction was met, emptied or
not, and then until its delete horizon: readers, and a cleaning that comes later, must find what they hold
decided.
"""

from collections.abc import Iterable

from kwire_codecs.records.batch import BatchHeader

from ..producer_state import read_marker
from ..transaction_index import AbortedTransaction


class CleanedTransactions:
    """The transactions of a stretch of a log, from its beginning; `aborted` are all with a part in it."""

    def __init__(self, aborted: Iterable[AbortedTransaction]) -> None:
        self._coming = sorted(aborted, key=lambda each: each.first_offset, reverse=True)
        self._aborted: dict[int, AbortedTransaction] = {}
        self._with_data: set[int] = set()
        """Producers whose aborted transaction had a batch that was met."""
        self._committed: set[int] = set()
        """Producers that have data which is not known to be aborted."""
        self.kept: list[AbortedTransaction] = []
        """Those of which data and marker were met: what the transaction index says from now on."""

    def _come_to(self, offset: int) -> None:
        while self._coming and self._coming[-1].first_offset <= offset:
            aborted = self._coming.pop()
            known = self._aborted.get(aborted.producer_id)
            if known is None or known.last_offset < aborted.first_offset:
                self._aborted[aborted.producer_id] = aborted

    def _aborted_at(self, header: BatchHeader) -> AbortedTransaction | None:
        """The aborted transaction of a batch; one whose marker lies before it, unseen, is over."""
        aborted = self._aborted.get(header.producer_id)
        if aborted is not None and aborted.last_offset < header.base_offset:
            del self._aborted[header.producer_id]
            self._with_data.discard(header.producer_id)
            return None
        return aborted

    def is_aborted(self, header: BatchHeader) -> bool:
        """A batch that is no control batch: whether its transaction was aborted."""
        if self._coming:
            self._come_to(header.last_offset)
        if not header.is_transactional:
            return False
        if self._aborted_at(header) is not None:
            self._with_data.add(header.producer_id)
            return True
        self._committed.add(header.producer_id)
        return False

    def has_no_data(self, header: BatchHeader, buffer: memoryview) -> bool:
        """A control batch: whether nothing of its transaction was met, so that it decides nothing any more.
        One that was emptied before; False for one that is not understood.
        """
        self._come_to(header.last_offset)
        if not header.record_count:
            return True
        found = read_marker(header, buffer)
        if found is None:
            return False
        marker, _ = found
        producer_id = header.producer_id
        if marker.committed:
            had_data = producer_id in self._committed
            self._committed.discard(producer_id)
            return not had_data
        aborted = self._aborted_at(header)
        self._aborted.pop(producer_id, None)
        had_data = producer_id in self._with_data
        self._with_data.discard(producer_id)
        if aborted is not None and had_data:
            self.kept.append(aborted)
        return not had_data

"""A compacted log is in order: nothing is found in its files, and lookups by time are those of a scan."""

import random
from pathlib import Path

import pytest
from kwire_codecs.records import batch as record_batch
from kwire_storage.files import Files
from kwire_storage.inspection.directory_check import DirectoryCheck

from tests.storage.batches import read_all
from tests.storage.cleaner.logs import end_transaction, open_dirs, open_log, roll_and_compact, write
from tests.storage.test_indexes import check, times_in


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_a_compacted_log_is_in_order(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    dirs = open_dirs(tmp_path)
    log = open_log(dirs)
    sequences: dict[int, int] = {}
    undecided: set[int] = set()
    cleanings = 0
    for at in range(150):
        kind = chance.random()
        pairs = [
            (b"k%d" % chance.randrange(12), None if chance.random() < 0.2 else b"v%d" % at)
            for _ in range(chance.randint(1, 3))
        ]
        if kind < 0.5:
            write(log, pairs, timestamp=1000 + at + chance.randrange(500))
        elif kind < 0.75:
            producer_id = chance.randrange(3)
            fields = {"producer_id": producer_id, "producer_epoch": 0, "is_transactional": True}
            write(log, pairs, timestamp=1000 + at, base_sequence=sequences.get(producer_id, 0), **fields)
            sequences[producer_id] = sequences.get(producer_id, 0) + len(pairs)
            undecided.add(producer_id)
        elif kind < 0.9 and undecided:
            end_transaction(log, undecided.pop(), commit=chance.random() < 0.5)
        elif kind > 0.93:
            cleanings += roll_and_compact(log, 1_000_000 * at) is not None
    assert cleanings > 2
    dirs.close(clean=True)
    found = DirectoryCheck(Files(), records=True).run([str(tmp_path)])
    assert [str(finding) for finding in found if not finding.is_note] == []
    dirs = open_dirs(tmp_path)
    log = open_log(dirs)
    data = read_all(log)
    times = {}
    for position, header in record_batch.walk(data):
        times.update(times_in(data[position : position + header.size]))
    check(log, times)
    dirs.close(clean=True)

"""What kwire promises: every promise that the simulation holds it to, by name, in one place."""

from __future__ import annotations

from typing import Final

PROMISES: Final = {
    # Records and logs
    "offset-reused": "an offset that was acknowledged or read always holds that record, of that epoch",
    "doubled": "a record is at one offset only",
    "out-of-order": "a producer's records to a partition lie in the order in which it sent them",
    "invented": "nothing is read that nobody sent, and no batch is read whose checksum is wrong",
    "gap": "a reader gets all offsets, one after the other",
    "lost": "what was acknowledged is read by a fresh reader at the end, at its offset (above the start)",
    "forgotten-producer": "a producer's next batch is never out of order",
    "high-watermark-back": "a high watermark never goes back without a new leader epoch",
    "log-start-back": "a log's start never goes back without a new leader epoch",
    "log-start-beyond": "records go only where somebody asked for that",
    "keeping": "of what compaction and retention take records from stays what must stay: each key's newest "
    "record, tombstones for their time, what is young or within the size, all at its offset and in its epoch",
    "synced": "what was acknowledged of a topic with flush.messages=1 is there after a loss of power",
    "not-woken": "a reader that waits gets a new record at once",
    # Metadata
    "leader-epoch-back": "leader epochs only rise",
    "two-leaders": "an epoch has one leader",
    "broker-epoch-back": "a node that registers again has a higher epoch",
    "producer-id-twice": "a new producer id is handed out once",
    "topic-id-reused": "topic ids are never given again",
    "topic-back": "a topic that was deleted stays so",
    "topic-lost": "a topic that was created stays",
    # Directories
    "two-places": "a node never tells of a log in two of its directories, but for a copy on its way",
    "copy-left": "once nothing fails any more, every copy of a log has become the log or is gone",
    # Groups of both protocols
    "generation-back": "generations that were synced only rise",
    "member-epoch-back": "the epoch of a member never goes back, nor is a newcomer's behind one known before",
    "two-owners": "in one generation or epoch of a group, a partition has one owner",
    "still-owned": "a partition is not given to a member while another one owns it that has neither given it "
    "up nor been silent for long",
    "not-assigned": "once nothing fails any more, the members of a consumer group come to own all partitions",
    "stale-commit": "no commit is accepted from a generation whose successor has been synced, nor from a "
    "member that left, nor with an older epoch for a partition that was given up since",
    "commit-lost": "a fetched commit is the last acknowledged one, or one that may have come after it",
    # Transactions
    "producer-epoch-back": "each InitProducerId of a transactional id gives a higher epoch than those known",
    "producer-epoch-twice": "an epoch of a producer id is handed out once",
    "zombie-accepted": "nothing is accepted from a producer after a newer one with its transactional id "
    "was given its epoch",
    "unverified-accepted": "a partition that is in no transaction takes no records of one from an old client",
    "stable-back": "a last stable offset never goes back without a new leader epoch, nor passes the high "
    "watermark",
    "stable-beyond-open": "the last stable offset never passes a record of an open transaction",
    "unstable-read": "who reads committed records only is given none behind the last stable offset",
    "uncommitted-read": "who reads committed records only sees none of a transaction before it was asked "
    "to be committed, and none of one that was aborted",
    "committed-hidden": "who reads committed records only is not told to leave one out that is committed",
    "half-visible": "a transaction is visible whole or not at all: its partitions have markers of one kind",
    "outcome-changed": "a transaction whose commit was acknowledged is committed, one whose abort was is not",
    "unmarked": "the records of a transaction are ended by a marker of their own, before the next begin",
    "hanging": "once nothing fails any more, every transaction ends",
    "pending-read": "no committed offset is told before its transaction was asked to be committed",
    "exactly-once": "what a pipeline read up to its committed offset it has written once, and nothing else",
    # All
    "server-error": "no answer says that the server does not know what went wrong",
    "no-answer": "every request is answered, or its connection closed, in bounded time",
    "stuck": "once nothing fails any more, everyone gets done what is left to do",
}

KEPT_WITHOUT_POWER: Final = frozenset(
    (
        "copy-left",
        "invented",
        "no-answer",
        "not-woken",
        "server-error",
        "stuck",
        "synced",
        "two-places",
        # What the metadata log says: it is synced before anything of it is told.
        "broker-epoch-back",
        "leader-epoch-back",
        "producer-id-twice",
        "topic-back",
        "topic-id-reused",
        "topic-lost",
        "two-leaders",
    )
)
"""What is asked of a run in which the machine lost power. Records are not synced before they are told of,
as with Kafka, whose promises about them rest on other machines that keep theirs; the groups' commits and
members and the state of transactions are records too. A sealed segment that was not synced may be lost while
a later one is kept: recovery leaves the gap, since compacted logs have such gaps as well.
"""

"""The table of what is typed. A case is a name and lines, run one after the other on Kafka and then on kwire.

A line is a script's name without `kafka-` and its options; the broker's address is added. `<< a|b` is typed
into it, a line each. `[3.9.2 4.4.0]` at the start keeps a line to these releases' tools. `@NAME` is the path
of the case's file. `& ` at the start lets the tool go on until the case ends; `until WORDS: ` repeats a line
until its output has the words. Topics and groups are called after their case: all cases of a release share
one broker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    """One scenario. `only`: lines of lists in which this word isn't are left out of the comparison.

    With `brokers=3` a case leaves nothing behind: all releases share one cluster.
    """

    name: str
    lines: str
    releases: tuple[str, ...] = ("2.6.2", "3.9.2", "4.4.0")
    files: Mapping[str, str] = field(default_factory=dict)
    only: str = ""
    brokers: int = 1
    is_fast: bool = False

    def steps(self, release: str) -> list[str]:
        """The lines that a release's tools run."""
        steps = []
        for line in self.lines.strip().splitlines():
            words = " ".join(line.split())
            kept, bracket, rest = words.removeprefix("[").partition("] ")
            if not (words.startswith("[") and bracket):
                steps.append(words)
            elif release in kept.split():
                steps.append(rest)
        return steps


NEWER = ("3.9.2", "4.4.0")
FOUR = ("4.4.0",)

CASES = [
    Case(
        "a topic is made, changed and deleted",
        """
        topics --create --topic life --partitions 2 --replication-factor 1 --config retention.ms=86400000
        topics --create --topic life --partitions 2 --replication-factor 1
        topics --create --topic life --if-not-exists --partitions 2 --replication-factor 1
        topics --describe --topic life
        topics --alter --topic life --partitions 4
        topics --alter --topic life --partitions 3
        topics --describe --topic life
        topics --list
        topics --delete --topic life
        topics --list
        topics --describe --topic life
        topics --delete --topic life
        """,
        only="life",
        is_fast=True,
    ),
    Case(
        "topics that can't be made",
        """
        topics --create --topic bad/name --partitions 1
        topics --create --topic bad-copies --partitions 1 --replication-factor 3
        topics --create --topic bad-partitions --partitions 0
        topics --create --topic bad-config --partitions 1 --config no.such.setting=1
        topics --create --topic bad-value --partitions 1 --config retention.ms=soon
        topics --create --topic bad_a.b --partitions 1
        topics --create --topic bad_a_b --partitions 1
        topics --create --topic bad-assigned --replica-assignment 1,1,7
        """,
    ),
    Case(
        "topics with the broker's defaults, and as assigned",
        """
        topics --create --topic defaults
        topics --describe --topic defaults
        topics --create --topic assigned --replica-assignment 1,1
        topics --describe --topic assigned
        topics --describe --topic assigned --topics-with-overrides
        topics --describe --topic assigned --under-replicated-partitions
        topics --describe --topic assigned --unavailable-partitions
        topics --describe --topic assigned --under-min-isr-partitions
        topics --describe --topic assigned --at-min-isr-partitions
        """,
    ),
    Case(
        "topics by a pattern",
        """
        topics --create --topic pattern-a
        topics --create --topic pattern-b
        topics --create --topic pattern-a
        topics --list --topic pattern-.*
        topics --describe --topic pattern-.*
        topics --delete --topic pattern-.*
        topics --list --topic pattern-.*
        """,
    ),
    Case(
        "lines are produced and consumed",
        """
        topics --create --topic lines --partitions 1
        console-producer --topic lines << one|two|three
        console-consumer --topic lines --from-beginning --max-messages 3
        console-producer --topic lines --property parse.key=true --property key.separator=: << k1:four|k2:five
        console-consumer --topic lines --partition 0 --offset 3 --max-messages 2 --property print.key=true
        [4.4.0] console-consumer --topic lines --partition 0 --offset 1 --max-messages 2 \
            --formatter-property print.partition=true --formatter-property print.offset=true
        [3.9.2] console-consumer --topic lines --partition 0 --offset 1 --max-messages 2 --property \
            print.partition=true --property print.offset=true
        console-consumer --topic lines --from-beginning --max-messages 9 --timeout-ms 2500
        """,
        is_fast=True,
    ),
    *(
        Case(
            f"lines are compressed with {codec}",
            f"""
            topics --create --topic {codec} --partitions 1
            console-producer --topic {codec} --compression-codec {codec} << {"long " * 200}|short
            console-consumer --topic {codec} --from-beginning --max-messages 2
            """,
        )
        for codec in ("gzip", "snappy", "lz4", "zstd")
    ),
    Case(
        "a line makes its topic",
        """
        console-producer --topic by-use << hello
        console-consumer --topic by-use --from-beginning --max-messages 1
        """,
    ),
    Case(
        "every acks",
        """
        topics --create --topic acks --partitions 1
        console-producer --topic acks --request-required-acks 0 --producer-property \
            enable.idempotence=false << zero
        console-producer --topic acks --request-required-acks 1 --producer-property \
            enable.idempotence=false << one
        console-producer --topic acks --request-required-acks all << all
        console-producer --topic acks --sync << sync
        console-consumer --topic acks --from-beginning --max-messages 4
        """,
    ),
    Case(
        "a group's offsets",
        """
        topics --create --topic offsets --partitions 1
        console-producer --topic offsets << a|b|c|d|e
        console-consumer --topic offsets --group offsets-g --from-beginning --max-messages 5 --timeout-ms \
            15000
        consumer-groups --describe --group offsets-g
        consumer-groups --describe --group offsets-g --members
        consumer-groups --describe --group offsets-g --members --verbose
        consumer-groups --describe --group offsets-g --state
        consumer-groups --list
        consumer-groups --list --state
        [4.4.0] consumer-groups --list --type classic
        consumer-groups --group offsets-g --topic offsets --reset-offsets --to-earliest --dry-run
        consumer-groups --group offsets-g --topic offsets --reset-offsets --to-earliest --execute
        consumer-groups --describe --group offsets-g
        consumer-groups --group offsets-g --topic offsets:0 --reset-offsets --shift-by 2 --execute
        consumer-groups --group offsets-g --topic offsets:0 --reset-offsets --to-offset 99 --execute
        consumer-groups --group offsets-g --topic offsets --reset-offsets --to-datetime \
            2020-01-01T00:00:00.000 --execute
        consumer-groups --group offsets-g --topic offsets --reset-offsets --by-duration P1D --dry-run
        consumer-groups --group offsets-g --all-topics --reset-offsets --to-latest --export --dry-run
        consumer-groups --delete-offsets --group offsets-g --topic offsets
        consumer-groups --describe --group offsets-g
        consumer-groups --delete --group offsets-g
        consumer-groups --describe --group offsets-g
        consumer-groups --delete --group offsets-g
        consumer-groups --list
        """,
        only="offsets",
        is_fast=True,
    ),
    Case(
        "a group that is not there",
        """
        consumer-groups --describe --group nobody
        consumer-groups --describe --group nobody --state
        consumer-groups --describe --group nobody --members
        consumer-groups --delete --group nobody
        consumer-groups --delete-offsets --group nobody --topic nothing
        topics --create --topic fresh --partitions 2
        consumer-groups --group nobody --topic fresh --reset-offsets --to-earliest --execute
        consumer-groups --describe --group nobody
        """,
    ),
    Case(
        "groups of every kind are listed",
        """
        topics --create --topic kinds --partitions 1
        console-producer --topic kinds << a
        console-consumer --topic kinds --group kinds-g --from-beginning --max-messages 1
        groups --list
        groups --list --group-type classic
        """,
        FOUR,
        only="kinds",
    ),
    Case(
        "a topic's settings",
        """
        topics --create --topic settings --partitions 1
        configs --describe --entity-type topics --entity-name settings
        configs --alter --entity-type topics --entity-name settings --add-config \
            retention.ms=1000,cleanup.policy=[compact,delete]
        configs --describe --entity-type topics --entity-name settings
        topics --describe --topic settings --topics-with-overrides
        configs --alter --entity-type topics --entity-name settings --delete-config retention.ms
        configs --describe --entity-type topics --entity-name settings
        configs --alter --entity-type topics --entity-name settings --delete-config retention.ms
        configs --alter --entity-type topics --entity-name settings --add-config retention.ms=soon
        configs --alter --entity-type topics --entity-name settings --add-config no.such.setting=1
        configs --describe --entity-type topics --entity-name not-there
        configs --alter --entity-type topics --entity-name not-there --add-config retention.ms=1
        """,
        is_fast=True,
    ),
    Case(
        "every setting of a topic",
        """
        topics --create --topic every --partitions 1
        configs --describe --entity-type topics --entity-name every --all
        """,
    ),
    Case(
        "a broker's settings",
        """
        configs --alter --entity-type brokers --entity-name 1 --add-config log.retention.ms=3600000
        configs --describe --entity-type brokers --entity-name 1
        configs --alter --entity-type brokers --entity-name 1 --delete-config log.retention.ms
        configs --describe --entity-type brokers --entity-name 1
        configs --alter --entity-type brokers --entity-name 1 --add-config broker.id=7
        configs --alter --entity-type brokers --entity-default --add-config log.retention.ms=7200000
        configs --describe --entity-type brokers --entity-default
        configs --alter --entity-type brokers --entity-default --delete-config log.retention.ms
        configs --describe --entity-type brokers --entity-default
        """,
    ),
    Case(
        "a broker's log levels",
        "configs --describe --entity-type broker-loggers --entity-name 1",
        only="root=",
    ),
    Case(
        "offsets of topics",
        """
        topics --create --topic where --partitions 2
        console-producer --topic where --property parse.key=true --property key.separator=: << \
            k1:a|k2:b|k3:c|k4:d
        get-offsets --topic where --partitions 0
        get-offsets --topic where --partitions 1 --time -2
        [3.9.2 4.4.0] get-offsets --topic where --time earliest
        [3.9.2 4.4.0] get-offsets --topic-partitions where:0-2 --time -2
        get-offsets --topic not-anywhere
        """,
    ),
    Case(
        "the newest record and other special times",
        """
        topics --create --topic special --partitions 1
        console-producer --topic special << a
        get-offsets --topic special --time max-timestamp
        console-producer --topic special << b
        get-offsets --topic special --time latest
        get-offsets --topic special --time max-timestamp
        get-offsets --topic special --time 1000
        get-offsets --topic special --time 99999999999999
        get-offsets --topic special --time -4
        get-offsets --topic special --time -5
        """,
        NEWER,
    ),
    Case(
        "records are deleted",
        """
        topics --create --topic deleted --partitions 1
        console-producer --topic deleted << a|b|c|d
        delete-records --offset-json-file @first.json
        console-consumer --topic deleted --from-beginning --max-messages 2
        get-offsets --topic deleted --time -2
        delete-records --offset-json-file @all.json
        get-offsets --topic deleted --time -2
        delete-records --offset-json-file @wrong.json
        """,
        files={
            "first.json": '{"version":1,"partitions":[{"topic":"deleted","partition":0,"offset":2}]}',
            "all.json": '{"version":1,"partitions":[{"topic":"deleted","partition":0,"offset":-1}]}',
            "wrong.json": '{"version":1,"partitions":[{"topic":"deleted","partition":0,"offset":77}]}',
        },
    ),
    Case(
        "log directories",
        """
        topics --create --topic dirs --partitions 1
        console-producer --topic dirs << a|b
        log-dirs --describe --topic-list dirs
        log-dirs --describe --broker-list 1 --topic-list dirs
        """,
        is_fast=True,
    ),
    Case("the broker's versions", "broker-api-versions"),
    Case("the cluster's id", "cluster cluster-id", NEWER),
    Case("the cluster's brokers", "cluster list-endpoints", FOUR),
    Case("the features", "features describe", NEWER),
    Case(
        "a small load is produced and consumed",
        """
        topics --create --topic load --partitions 1
        producer-perf-test --topic load --num-records 2000 --record-size 100 --throughput -1
        get-offsets --topic load
        [2.6.2 3.9.2] consumer-perf-test --topic load --messages 2000
        [4.4.0] consumer-perf-test --topic load --num-records 2000
        """,
    ),
    Case(
        "verifiable clients",
        """
        topics --create --topic verified --partitions 1
        verifiable-producer --topic verified --max-messages 20
        get-offsets --topic verified
        verifiable-consumer --topic verified --group-id verified-g --max-messages 20 --reset-policy earliest
        consumer-groups --describe --group verified-g
        """,
    ),
    Case(
        "leaders are elected",
        """
        topics --create --topic elected --partitions 2
        leader-election --election-type preferred --topic elected --partition 0
        leader-election --election-type unclean --topic elected --partition 1
        leader-election --election-type preferred --topic not-elected --partition 1
        """,
    ),
    Case(
        "partitions are reassigned",
        """
        topics --create --topic moved --partitions 1
        reassign-partitions --generate --topics-to-move-json-file @topics.json --broker-list 1
        reassign-partitions --execute --reassignment-json-file @move.json
        reassign-partitions --verify --reassignment-json-file @move.json
        """,
        files={
            "topics.json": '{"version":1,"topics":[{"topic":"moved"}]}',
            "move.json": '{"version":1,"partitions":[{"topic":"moved","partition":0,"replicas":[1]}]}',
        },
    ),
    Case(
        "reassignments are listed",
        "reassign-partitions --list",
    ),
    Case(
        "access control lists",
        """
        acls --list
        acls --add --allow-principal User:alice --operation Read --topic guarded
        acls --list --topic guarded
        acls --remove --force --allow-principal User:alice --operation Read --topic guarded
        """,
    ),
    Case("transactions are listed", "transactions list", NEWER),
    Case(
        "the producers of a partition",
        """
        topics --create --topic producers --partitions 1
        console-producer --topic producers << a
        transactions describe-producers --topic producers --partition 0
        """,
        NEWER,
    ),
    Case("transactions are found hanging", "transactions find-hanging --broker-id 1", NEWER),
    Case(
        "an open transaction is aborted on its partition",
        """
        topics --create --topic open --partitions 1
        & producer-perf-test --topic open --num-records 9 --throughput 0.001 --record-size 9 \
            --transactional-id open-t --transaction-duration-ms 600000 --producer.config @patient.properties
        until open-0: transactions describe --transactional-id open-t
        until TIME -1 0: transactions describe-producers --topic open --partition 0
        transactions list
        get-offsets --topic open
        console-consumer --topic open --from-beginning --isolation-level read_committed --timeout-ms 2500
        transactions find-hanging --broker-id 1 --max-transaction-timeout 0
        transactions abort --topic open --partition 0 --start-offset 7
        transactions abort --topic open --partition 0 --start-offset 0
        transactions describe-producers --topic open --partition 0
        transactions abort --topic open --partition 0 --start-offset 0
        transactions describe --transactional-id open-t
        get-offsets --topic open
        transactions describe --transactional-id nobody
        transactions describe-producers --topic not-there --partition 0
        """,
        NEWER,
        files={"patient.properties": "transaction.timeout.ms=600000\n"},
    ),
    Case(
        "a transaction is ended by its id",
        """
        topics --create --topic ended --partitions 1
        & producer-perf-test --topic ended --num-records 9 --throughput 0.001 --record-size 9 \
            --transactional-id ended-t --transaction-duration-ms 600000 --producer.config @patient.properties
        until ended-0: transactions describe --transactional-id ended-t
        until TIME -1 0: transactions describe-producers --topic ended --partition 0
        transactions forceTerminateTransaction --transactional-id ended-t
        until CompleteAbort: transactions describe --transactional-id ended-t
        transactions describe-producers --topic ended --partition 0
        transactions list --transactional-id-pattern ended.*
        transactions list --transactional-id-pattern (
        transactions list --duration-filter 3600000
        """,
        FOUR,
        files={"patient.properties": "transaction.timeout.ms=600000\n"},
    ),
    Case(
        "a transaction that was committed",
        """
        topics --create --topic whole --partitions 1
        producer-perf-test --topic whole --num-records 9 --throughput -1 --record-size 9 --transactional-id \
            whole-t --transaction-duration-ms 600000
        until CompleteCommit: transactions describe --transactional-id whole-t
        transactions describe-producers --topic whole --partition 0
        get-offsets --topic whole
        """,
        NEWER,
        is_fast=True,
    ),
    Case("the metadata quorum", "metadata-quorum describe --replication", NEWER),
    Case("metrics subscriptions", "client-metrics --list", NEWER),
    Case(
        "client quotas",
        """
        configs --alter --entity-type clients --entity-name quoted --add-config producer_byte_rate=100000
        configs --describe --entity-type clients --entity-name quoted
        """,
    ),
    Case(
        "users with SCRAM passwords",
        """
        configs --alter --entity-type users --entity-name alice --add-config SCRAM-SHA-256=[password=secret]
        configs --describe --entity-type users --entity-name alice
        """,
        NEWER,
    ),
    Case(
        "a group with a member",
        """
        topics --create --topic living --partitions 3
        & console-consumer --topic living --group living-g
        until Stable: consumer-groups --describe --group living-g --state
        consumer-groups --describe --group living-g --members
        consumer-groups --describe --group living-g --members --verbose
        console-producer --topic living << a|b|c
        consumer-groups --list --state stable
        consumer-groups --group living-g --topic living --reset-offsets --to-earliest --execute
        consumer-groups --delete-offsets --group living-g --topic living
        consumer-groups --delete --group living-g
        """,
        only="living",
        is_fast=True,
    ),
    Case(
        "a group with two static members",
        """
        topics --create --topic static --partitions 2
        & console-consumer --topic static --group static-g --consumer-property group.instance.id=first
        until Stable: consumer-groups --describe --group static-g --state
        & console-consumer --topic static --group static-g --consumer-property group.instance.id=second
        until Stable 2: consumer-groups --describe --group static-g --state
        consumer-groups --describe --group static-g --members --verbose
        """,
        only="static",
    ),
    Case(
        "offsets of a group of the new protocol",
        """
        topics --create --topic newer --partitions 1
        console-producer --topic newer << a|b|c|d|e
        console-consumer --topic newer --group newer-g --consumer-property group.protocol=consumer \
            --from-beginning --max-messages 5
        consumer-groups --describe --group newer-g
        consumer-groups --describe --group newer-g --offsets --verbose
        consumer-groups --describe --group newer-g --members
        consumer-groups --describe --group newer-g --state
        consumer-groups --list --type consumer
        consumer-groups --list --type consumer --state
        consumer-groups --list --state empty
        groups --list --group-type consumer
        groups --list --protocol consumer
        consumer-groups --group newer-g --topic newer --reset-offsets --to-earliest --execute
        consumer-groups --describe --group newer-g
        consumer-groups --group newer-g --topic newer:0 --reset-offsets --shift-by 2 --execute
        consumer-groups --group newer-g --all-topics --reset-offsets --to-latest --export --dry-run
        consumer-groups --delete-offsets --group newer-g --topic newer
        consumer-groups --describe --group newer-g
        consumer-groups --delete --group newer-g
        consumer-groups --describe --group newer-g
        consumer-groups --list
        """,
        FOUR,
        only="newer",
        is_fast=True,
    ),
    Case(
        "a group of the new protocol with two members",
        """
        topics --create --topic lively --partitions 2
        & console-consumer --topic lively --group lively-g --consumer-property group.protocol=consumer \
            --consumer-property group.instance.id=first --consumer-property group.remote.assignor=range
        until Stable 1: consumer-groups --describe --group lively-g --state
        & console-consumer --topic lively --group lively-g --consumer-property group.protocol=consumer \
            --consumer-property group.instance.id=second --consumer-property group.remote.assignor=range
        until Stable 2: consumer-groups --describe --group lively-g --state
        consumer-groups --describe --group lively-g --state --verbose
        consumer-groups --describe --group lively-g --members
        consumer-groups --describe --group lively-g --members --verbose
        consumer-groups --list --state stable --type consumer
        consumer-groups --group lively-g --topic lively --reset-offsets --to-earliest --execute
        consumer-groups --delete-offsets --group lively-g --topic lively
        consumer-groups --delete --group lively-g
        """,
        FOUR,
        only="lively",
    ),
    Case(
        "a group's settings",
        """
        configs --alter --entity-type groups --entity-name set-g --add-config \
            consumer.session.timeout.ms=50000
        configs --describe --entity-type groups --entity-name set-g
        configs --alter --entity-type groups --entity-name set-g --add-config consumer.session.timeout.ms=1
        configs --alter --entity-type groups --entity-name set-g --add-config no.such.setting=1
        configs --alter --entity-type groups --entity-name set-g --delete-config consumer.session.timeout.ms
        [3.9.2] configs --describe --entity-type groups --entity-name set-g
        """,
        NEWER,
    ),
    Case(
        "a streams application is reset",
        """
        topics --create --topic reset --partitions 1
        console-producer --topic reset << a|b|c
        console-consumer --topic reset --group reset-app --from-beginning --max-messages 3
        streams-application-reset --application-id reset-app --input-topics reset --to-earliest --dry-run
        streams-application-reset --application-id reset-app --input-topics reset --to-earliest
        get-offsets --topic reset --partitions 0
        streams-application-reset --application-id reset-app --input-topics not-anything
        """,
        NEWER,
    ),
    Case(
        "delegation tokens",
        "delegation-tokens --describe --command-config @client.properties",
        files={"client.properties": "request.timeout.ms=20000\n"},
    ),
    Case("share groups are listed", "share-groups --list", FOUR),
    Case("streams groups are listed", "streams-groups --list", FOUR),
    Case(
        "three brokers: a topic is described",
        """
        topics --create --topic three --replica-assignment 1:2:3,2:3:1,3:1:2 --config min.insync.replicas=2
        topics --describe --topic three
        topics --describe --topic three --under-replicated-partitions
        topics --describe --topic three --at-min-isr-partitions
        topics --create --topic four --partitions 1 --replication-factor 4
        topics --create --topic twice --replica-assignment 1:1
        topics --create --topic nowhere --replica-assignment 1:7
        topics --create --topic uneven --replica-assignment 1:2,3
        log-dirs --describe --broker-list 1,2,3 --topic-list three
        log-dirs --describe --broker-list 4 --topic-list three
        leader-election --election-type preferred --topic three --partition 1
        leader-election --election-type unclean --topic three --partition 1
        console-producer --topic three --request-required-acks all << a|b|c
        console-consumer --topic three --from-beginning --max-messages 3
        topics --delete --topic three
        """,
        only="three",
        brokers=3,
    ),
    Case(
        "three brokers: replicas are moved",
        """
        topics --create --topic moving --replica-assignment 1:2,2:3
        console-producer --topic moving --property parse.key=true --property key.separator=: << k1:a|k2:b|k3:c
        reassign-partitions --execute --reassignment-json-file @move.json
        until complete: reassign-partitions --verify --reassignment-json-file @move.json
        topics --describe --topic moving
        reassign-partitions --list
        reassign-partitions --cancel --reassignment-json-file @move.json
        reassign-partitions --execute --reassignment-json-file @unknown.json
        reassign-partitions --execute --reassignment-json-file @nowhere.json
        get-offsets --topic moving --partitions 0
        leader-election --election-type preferred --path-to-json-file @elect.json
        topics --describe --topic moving
        topics --delete --topic moving
        """,
        files={
            "move.json": '{"version":1,"partitions":[{"topic":"moving","partition":0,"replicas":[3,1]},'
            '{"topic":"moving","partition":1,"replicas":[1,2,3]}]}',
            "unknown.json": '{"version":1,"partitions":[{"topic":"other-moving","partition":0,'
            '"replicas":[1]}]}',
            "nowhere.json": '{"version":1,"partitions":[{"topic":"moving","partition":0,"replicas":[9]}]}',
            "elect.json": '{"partitions":[{"topic":"moving","partition":0},'
            '{"topic":"moving","partition":1}]}',
        },
        brokers=3,
    ),
    Case("three brokers: all are listed", "cluster list-endpoints", FOUR, brokers=3),
]

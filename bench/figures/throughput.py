"""Produce and consume: records of one size to one partition of a fresh topic, and then read from its start,
by franz-go, librdkafka and Kafka's own perf tools, plain and lz4, idempotent with acks=all. The client
program's clock runs from its first record to the last acknowledgement, or to the last record in its hands;
connecting is outside of it. MB are 10^6 bytes of record values. The CPU seconds that the broker used
meanwhile (by Kafka's tools: while the whole tool ran) are divided by the bytes that it took and gave once:
CPU a GB. 400 MB are moved where targets speak of it, 160 MB elsewhere, a quarter of it in records of 100 B
and by Kafka's tools, which take seconds to warm up: their figures tell more of the tool than of the broker.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from .figure import Figure, Row, Scale, Step
from .turn import Lacking, Turn

TITLES = {"franz": "franz-go", "rdkafka": "librdkafka", "kafka": "Kafka's perf tools"}
SIZES = {100: "100 B", 1024: "1 KiB", 10240: "10 KiB"}
CODECS = {"none": "", "lz4": ", lz4"}
TARGETED = [("franz", 1024, "none"), ("franz", 1024, "lz4"), ("rdkafka", 1024, "none")]


def _rows(client: str, size: int, codec: str) -> tuple[Row, ...]:
    end = f"{client}/{size}/{codec}"
    what = f"{SIZES[size]}{CODECS[codec]}, {TITLES[client]}"
    return (
        Row(f"produce/{end}", f"produce {what}", "MB/s", more_is_better=True),
        Row(f"consume/{end}", f"consume {what}", "MB/s", more_is_better=True),
        Row(f"cpu/{end}", f"broker CPU, produce + consume {what}", "s/GB"),
    )


def _run(client: str, size: int, codec: str, megabytes: int, turn: Turn) -> Mapping[str, float]:
    end = f"{client}/{size}/{codec}"
    records = megabytes * 10**6 // size
    values: dict[str, float] = {}
    with turn.topic() as topic:
        produced = turn.load(client, "produce", topic=topic, records=records, size=size, compression=codec)
        values[f"produce/{end}"] = records * size / produced["seconds"] / 1e6
        try:
            if reason := turn.broker.lacks.get("consume"):
                raise Lacking(reason)
            consumed = turn.load(client, "consume", topic=topic, records=records)
        except Lacking as error:
            turn.reasons |= {f"consume/{end}": str(error), f"cpu/{end}": str(error)}
            return values
    values[f"consume/{end}"] = records * size / consumed["seconds"] / 1e6
    if produced.cpu_seconds is not None and consumed.cpu_seconds is not None:
        values[f"cpu/{end}"] = (produced.cpu_seconds + consumed.cpu_seconds) * 1e9 / (records * size)
    return values


def steps(scale: Scale) -> Sequence[Step]:
    """In the quick scale: 1 KiB by franz-go plain and lz4, and by librdkafka plain."""
    chosen = TARGETED
    if not scale.is_quick:
        chosen = [(client, size, codec) for client in TITLES for size in SIZES for codec in CODECS]
    made = []
    for client, size, codec in chosen:
        megabytes = scale.megabytes if (client, size, codec) in TARGETED else scale.side_megabytes
        # Small records cost the clients more than the broker: fewer of them show the same.
        megabytes //= 4 if size == 100 or client == "kafka" else 1
        rows = _rows(client, size, codec)
        title = f"produce and consume {SIZES[size]}{CODECS[codec]}, {TITLES[client]}"
        made.append(Step(title, rows, partial(_run, client, size, codec, megabytes)))
    return made


FIGURE = Figure("throughput", steps)

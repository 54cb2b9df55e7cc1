"""`kwire log dump` and `kwire log verify`: what a data directory holds, and whether it is in order.

Read-only and without a lock: beside a running broker too. What is found goes to standard output, a line a
finding or row, text or JSON; a sentence about what could not be read goes to standard error.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kwire.cli.refusal import Refusal

if TYPE_CHECKING:
    from kwire_storage.files import Files
    from kwire_storage.inspection.plain import Plain, Row

DESCRIPTION = """\
Looks at the files of a data directory, kwire's or Kafka's, without Java and without changing anything.

    kwire log dump --records ~/.local/share/kwire/orders-0/00000000000000000000.log
    kwire log dump --records --json DATA/__consumer_offsets-7 | jq 'select(.record == "OffsetCommit").key'
    kwire log verify
    kwire log verify --data DATA --records"""

_DUMP: Final = """\
Prints what files hold, one line a batch, entry or value: .log, .index, .timeindex, .txnindex, .snapshot,
.checkpoint, the checkpoints, partition.metadata, meta.properties, quorum-state, .kafka_cleanshutdown. Of a
directory, all that it holds.

    kwire log dump DATA/orders-0
    kwire log dump --records DATA/orders-0/00000000000000000000.log
    kwire log dump --records --json DATA/__cluster_metadata-0 | jq 'select(.record == "TopicRecord").value'"""
_VERIFY: Final = """\
Checks checksums, offsets, leader epochs, indexes, transactions, producer snapshots, checkpoints and topic ids
of a whole data directory, or of the partitions and files that are named. One line a finding, with file and
byte; notes say what is there and is nobody's fault. A directory in use is looked at as well: what was
appended last may be in motion then, and only a stopped broker's directory can be checked to its last byte.

Exit code 0: all is in order; 1: there are findings; 2: it could not be looked at.

    kwire log verify
    kwire log verify --data /var/lib/kafka/data --records
    kwire log verify DATA/orders-0"""

IN_ORDER: Final = 0
FOUND: Final = 1
NOT_LOOKED_AT: Final = 2
_LONGEST_TEXT: Final = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares `dump` and `verify` and their options."""
    raw = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="log_command", metavar="COMMAND", required=True)
    dump = commands.add_parser("dump", help="print what files hold", description=_DUMP, formatter_class=raw)
    dump.add_argument("paths", metavar="PATH", nargs="+", help="a file, or a directory of files")
    dump.add_argument("--records", action="store_true", help="the records within each batch too")
    dump.add_argument("--json", action="store_true", help="a JSON object a line, nothing shortened")
    dump.add_argument(
        "--decoder",
        choices=("auto", "none", "offsets", "transactions", "metadata", "share"),
        default="auto",
        help="how records are read (default: by the name of their directory)",
    )
    verify = commands.add_parser(
        "verify", help="check a data directory", description=_VERIFY, formatter_class=raw
    )
    verify.add_argument("paths", metavar="PATH", nargs="*", help="partitions' directories, or files")
    verify.add_argument(
        "--data",
        metavar="DIR",
        action="append",
        default=[],
        help="a data directory; may be given again (default: that of `kwire serve`)",
    )
    verify.add_argument("--records", action="store_true", help="decompress and decode every record too")
    verify.add_argument("--json", action="store_true", help="a JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    """0 when all could be read and is in order, 1 when not, 2 when there was nothing to look at."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # names and keys may be any bytes
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = _dump(arguments) if arguments.log_command == "dump" else _verify(arguments)
        sys.stdout.flush()
        return code
    except Refusal as refusal:
        _say(str(refusal))
        return NOT_LOOKED_AT
    except BrokenPipeError:
        # Who reads has had enough, as `head` has; the interpreter must not flush into the pipe once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return IN_ORDER
    except KeyboardInterrupt:
        return 130


def _say(message: str) -> None:
    sys.stdout.flush()
    print(f"kwire: {message}", file=sys.stderr)


# dump


def _dump(arguments: argparse.Namespace) -> int:
    from kwire_storage.files import Files
    from kwire_storage.inspection.source import Unreadable

    files = Files()
    show = _show_json if arguments.json else _show_text
    code = IN_ORDER
    for path in _files_in(arguments.paths):
        try:
            for row in _rows(path, files, arguments):
                show(path, row)
                if row["type"] == "problem" or row.get("crc_valid") is False:
                    code = FOUND
        except Unreadable as wrong:
            _say(str(wrong))
            code = FOUND
    return code


def _rows(path: str, files: Files, arguments: argparse.Namespace) -> Iterator[Row]:
    from kwire_storage.inspection import dump
    from kwire_storage.inspection.decoders import decoder_for

    decoder: str = arguments.decoder
    if decoder == "auto":
        decoder = decoder_for(os.path.basename(os.path.dirname(os.path.abspath(path))))
    if not arguments.json:
        print(path)
    return dump.rows(path, files, records=arguments.records, decoder=decoder)


def _files_in(paths: list[str]) -> Iterator[str]:
    """The files that are named, and those in directories that are named, of names that are known."""
    from kwire_storage.inspection import dump

    for path in paths:
        if os.path.isdir(path):
            found = 0
            for directory, folders, names in os.walk(path):
                folders.sort()
                for name in sorted(names):
                    if dump.is_known(name):
                        found += 1
                        yield os.path.join(directory, name)
            if not found:
                raise Refusal(f"{path} holds none of Kafka's files; name a partition's directory or a file")
        elif os.path.lexists(path) and dump.is_known(path):
            yield path
        elif os.path.lexists(path):
            raise Refusal(f"{path} has none of the names that Kafka's files have; so nobody knows what it is")
        else:
            raise Refusal(f"there is no {path}; name a file or a directory of a data directory")


def _show_json(path: str, row: Row) -> None:
    print(json.dumps({"file": path, **row}, ensure_ascii=False))


def _show_text(path: str, row: Row) -> None:
    indent = "    " if row["type"] in ("record", "problem") else "  "
    fields = (f"{name}={_text(value)}" for name, value in row.items() if name != "type")
    print(f"{indent}{row['type']} {' '.join(fields)}")


def _text(value: Plain) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "NO", None: "null"}[value]
    if isinstance(value, dict) and value.keys() == {"hex"}:
        text = f"0x{value['hex']}"
    elif isinstance(value, str):
        is_word = value.isprintable() and value and not set(value) & {" ", '"', "="}
        text = value if is_word else json.dumps(value, ensure_ascii=False)
    elif isinstance(value, list | dict):
        text = json.dumps(value, ensure_ascii=False)
    else:
        return str(value)
    if len(text) <= _LONGEST_TEXT:
        return text
    return f"{text[:_LONGEST_TEXT]}...({len(text)} characters)"


# verify


def _verify(arguments: argparse.Namespace) -> int:
    from kwire_storage.files import Files
    from kwire_storage.inspection.directory_check import DirectoryCheck
    from kwire_storage.inspection.source import Unreadable

    paths = [*_directories(arguments.data, with_default=not arguments.paths), *arguments.paths]
    for path in paths:
        if not os.path.lexists(path):
            raise Refusal(f"there is no {path}; name a data directory with --data DIR")
    check = DirectoryCheck(Files(), records=arguments.records)
    try:
        for finding in check.run(paths):
            if arguments.json:
                print(json.dumps(finding.row(), ensure_ascii=False))
            else:
                print(finding, flush=True)
    except Unreadable as wrong:
        raise Refusal(str(wrong)) from None
    summary = check.summary
    if arguments.json:
        print(json.dumps(summary.row(), ensure_ascii=False))
    else:
        partitions = "1 partition" if summary.partitions == 1 else f"{summary.partitions} partitions"
        batches = "1 batch" if summary.batches == 1 else f"{summary.batches} batches"
        findings = "1 finding" if summary.findings == 1 else f"{summary.findings or 'no'} findings"
        print(f"{partitions}, {batches}, {summary.bytes} bytes: {findings}")
    return FOUND if summary.findings else IN_ORDER


def _directories(named: list[str], *, with_default: bool) -> list[str]:
    """The data directories, and for one of several brokers those of the brokers."""
    if not named:
        if not with_default:
            return []
        from kwire.cli.serve import default_data

        named = [str(default_data())]
    found: list[str] = []
    for path in named:
        if os.path.isdir(path) and not os.path.exists(f"{path}/meta.properties"):
            nodes = sorted(str(meta.parent) for meta in Path(path).glob("broker-*/meta.properties"))
            found += nodes or [path]
        else:
            found.append(path)
    return found

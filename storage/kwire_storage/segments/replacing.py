"""Putting a cleaned segment in the place of those that it replaces, and finishing that at a start (Kafka:
LocalLog.replaceSegments, LogLoader.removeTempFilesAndCollectSwapFiles).

The new files come by renames: `.cleaned` to `.swap`, the log last; the old files go, oldest first; `.swap`
to the name itself, the log first. A start finishes this from the moment that there is a `.log.swap`, and
throws the new files away before it. So no record goes before the older ones of its key; and while there is a
`.log.swap`, whatever has its name without the ending is old. All of it relies on a file system that keeps the
order of such changes over a loss of power, as those with a journal do.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ..engine import LogConfig, StorageError
from ..files import Files, storing
from . import file_names
from .removal import remove
from .segment import Segment
from .segment_list import SegmentList
from .shared import Shared

if TYPE_CHECKING:
    from ..cleaner.job import CleanedGroup

EndOf = Callable[[str, int], int]


def put_in_place(
    directory: str,
    group: "CleanedGroup",
    old: Sequence[Segment],
    segments: SegmentList,
    shared: Shared,
    config: LogConfig,
    now_ms: int,
) -> None:
    """A cleaned segment takes the place of `old`, on disk and in `segments`. StorageError: nothing is
    changed, or the next start finishes it.
    """
    base = group.base_offsets[0]
    suffixes = [file_names.OFFSET_INDEX, file_names.TIME_INDEX]
    if group.has_aborted:
        suffixes.append(file_names.TRANSACTION_INDEX)
    paths = [f"{directory}/{file_names.segment_file(base, suffix)}" for suffix in [*suffixes, file_names.LOG]]
    try:
        for path in paths:
            with storing("putting in place", path):
                shared.files.rename(path + file_names.CLEANED, path + file_names.SWAP)
    except StorageError:
        with suppress(OSError):
            for path in reversed(paths):
                shared.files.remove(path + file_names.SWAP)
                shared.files.remove(path + file_names.CLEANED)
        raise
    for segment in old:
        remove(segment, shared, config.file_delete_delay_ms)
    for path in reversed(paths):
        with storing("putting in place", path):
            shared.files.rename(path + file_names.SWAP, path)
    segments.replace(
        old,
        Segment(
            directory,
            base,
            shared,
            index_interval_bytes=config.index_interval_bytes,
            created_ms=now_ms,
            size=group.size,
            end_offset=old[-1].end_offset,
            has_aborted=group.has_aborted,
        ),
    )


def finish_swaps(directory: str, files: Files, names: Sequence[str], end_of: EndOf) -> list[str]:
    """Bring a directory that has these names out of an interrupted replacement; gives the names it has then.
    Raises OSError. Kafka: LogLoader.removeTempFilesAndCollectSwapFiles and what follows it.

    :param end_of: the offset behind the last batch of a segment's file, by path and base offset.
    """
    present = set(names)

    def remove(name: str) -> None:
        files.remove(f"{directory}/{name}")
        present.discard(name)

    def parsed(name: str, ending: str) -> tuple[int, str] | None:
        if not name.endswith(ending):
            return None
        return file_names.parse_segment_file(name.removesuffix(ending))

    cleaned = {name: found[0] for name in names if (found := parsed(name, file_names.CLEANED))}
    swaps = {name: found for name in names if (found := parsed(name, file_names.SWAP))}
    # The log gets its `.swap` last: where one of its files is `.cleaned` still, nothing has been replaced.
    least_cleaned = min(cleaned.values(), default=None)
    for name, (base, _) in sorted(swaps.items(), key=lambda each: each[1][1] != file_names.LOG):
        if least_cleaned is not None and base >= least_cleaned:
            remove(name)
            del swaps[name]
    for name in cleaned:
        remove(name)
    for name, (base, suffix) in swaps.items():
        if suffix != file_names.LOG:
            continue
        end = end_of(f"{directory}/{name}", base)
        replaced = sorted(
            (found[0], other)
            for other in present
            if (found := file_names.parse_segment_file(other)) is not None
            and found[1] in file_names.SEGMENT_SUFFIXES
            and (base <= found[0] < end or found[0] == base)
        )
        for _, other in replaced:
            remove(other)
    for name, _ in sorted(swaps.items(), key=lambda each: each[1][1] != file_names.LOG):
        final = name.removesuffix(file_names.SWAP)
        files.rename(f"{directory}/{name}", f"{directory}/{final}")
        present.discard(name)
        present.add(final)
    return sorted(present)

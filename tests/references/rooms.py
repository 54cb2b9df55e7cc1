"""Room to receive into, without regard to what memory costs: all zeros behind what it begins with."""

from kwire_codecs.wire import Buffer


def room(size: int, start: Buffer) -> bytearray:
    made = bytearray(size)
    made[: len(start)] = start
    return made

"""Standard input as the line to whoever started the broker: it stops when that ends, and answers questions.

Rules: a question is a line, its answer a line of JSON on standard output. What is not known is answered with
`{"error": ...}`. Questions:

    requests    [[seconds since 1970, "text"], ...], oldest first: the last requests (`--request-log`)
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping

import trio

MAX_LINE_BYTES = 1000


Questions = dict[str, Callable[[], object]]
"""What may be asked, and where its answer comes from."""


async def follow_standard_input(answers: Questions) -> None:
    """Answers questions until standard input ends, or standard output takes no answers."""
    try:
        stream = trio.lowlevel.FdStream(os.dup(0))
    except OSError:  # there is no standard input
        return
    async with stream:
        rest = b""
        while True:
            try:
                read = await stream.receive_some()
            except trio.BrokenResourceError:
                return
            if not read:
                return
            *lines, rest = (rest + read).split(b"\n")
            rest = rest[:MAX_LINE_BYTES]
            try:
                for line in lines:
                    print(json.dumps(_answer(line.decode("utf-8", "replace").strip(), answers)), flush=True)
            except BrokenPipeError:
                # The interpreter flushes standard output once more when it ends.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                return


def _answer(question: str, answers: Mapping[str, Callable[[], object]]) -> object:
    answer = answers.get(question)
    if answer is None:
        return {"error": f"{question[:100]!r} is no question; there are: {', '.join(answers) or 'none'}"}
    return answer()

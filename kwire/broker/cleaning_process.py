"""Who does the heavy part of compaction: a process of its own, so that no client waits for the interpreter's
lock; or, where nothing may leave this process, a thread.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import trio
from kwire_storage.engine import StorageError
from kwire_storage.files import Files

from kwire.partitions.threads import run_in_thread

if TYPE_CHECKING:
    from kwire_storage.cleaner.job import CleaningJob, CleaningResult

LARGEST_ANSWER_BYTES = 64 << 20


class CleaningFailed(Exception):
    """A job came to nothing; the message says why, and names the file if it was one."""


class CleaningWorker(Protocol):
    """Does one job at a time."""

    async def clean(self, job: CleaningJob) -> CleaningResult:
        """Do a job. CleaningFailed: its log is as it was."""
        ...

    async def rest(self) -> None:
        """There will be no job for a while."""
        ...


class CleaningHere:
    """In a thread of this process, through `files`: in a simulation, and where no process can be had."""

    def __init__(self, files: Files) -> None:
        self._files = files

    async def clean(self, job: CleaningJob) -> CleaningResult:
        from kwire_storage.cleaner.cleaning import clean

        try:
            return await run_in_thread(clean, job, self._files)
        except StorageError as error:
            raise CleaningFailed(str(error)) from error

    async def rest(self) -> None:
        pass


class CleaningProcess:
    """A process that is started for the first job, and ended when there is none for a while, with the
    memory that it took.
    """

    def __init__(self) -> None:
        self._process: trio.Process | None = None
        self._received = b""

    @property
    def process_id(self) -> int | None:
        """Of the process, while there is one."""
        return None if self._process is None else self._process.pid

    async def clean(self, job: CleaningJob) -> CleaningResult:
        try:
            return await self._ask(await self._start(), job)
        except BaseException:
            # Cancelled, or it is not what it should be: what it says next would be an answer to this job.
            await self.rest()
            raise

    async def _start(self) -> trio.Process:
        if self._process is None:
            self._process = await _started()
        return self._process

    async def _ask(self, process: trio.Process, job: CleaningJob) -> CleaningResult:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            await process.stdin.send_all(job.encode().encode() + b"\n")
            while b"\n" not in self._received:
                data = await process.stdout.receive_some(65536)
                if not data or len(self._received) > LARGEST_ANSWER_BYTES:
                    raise CleaningFailed(f"the cleaning process ended ({await process.wait()})")
                self._received += data
        except (OSError, trio.BrokenResourceError) as error:
            raise CleaningFailed(f"the cleaning process can't be reached: {error}") from error
        line, _, self._received = self._received.partition(b"\n")
        answer = json.loads(line)
        if "error" in answer:
            raise CleaningFailed(answer["error"])
        from kwire_storage.cleaner.job import CleaningResult

        return CleaningResult.decode(json.dumps(answer["result"]))

    async def rest(self) -> None:
        process, self._process = self._process, None
        self._received = b""
        if process is None:
            return
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    await stream.aclose()


async def _started() -> trio.Process:
    import subprocess

    environment: Mapping[str, str] = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    command = [sys.executable, "-P", "-m", "kwire.broker.cleaning_worker"]
    try:
        return await trio.lowlevel.open_process(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
    except OSError as error:
        raise CleaningFailed(f"no process could be started for it: {error}") from error

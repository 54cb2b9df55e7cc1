"""A log's leader epochs, and the file that keeps them (Kafka: LeaderEpochCheckpointFile)."""

from collections.abc import Callable

from ..alike import AlikeFiles
from ..checkpoints import encode_epochs
from ..files import storing
from ..leader_epochs import EpochEntry, LeaderEpochs
from . import file_names


class EpochFile:
    """`leader-epoch-checkpoint`. `epochs` may be changed by anyone; the log calls `save`, and is told of each
    file that was `written`.
    """

    __slots__ = ("_alike", "_written", "epochs", "is_saved", "path")

    def __init__(
        self,
        directory: str,
        alike: AlikeFiles,
        entries: list[EpochEntry],
        *,
        is_saved: bool,
        written: Callable[[str], None],
    ) -> None:
        self._written = written
        self.path = f"{directory}/{file_names.LEADER_EPOCHS}"
        self._alike = alike
        self.is_saved = is_saved
        self.epochs = LeaderEpochs(entries, on_change=self._changed)

    def _changed(self) -> None:
        self.is_saved = False

    def save(self) -> None:
        """Write the file, if the epochs have changed."""
        if not self.is_saved:
            with storing("writing", self.path):
                self._alike.write(self.path, encode_epochs(self.epochs.entries()))
            self._written(self.path)
        self.is_saved = True

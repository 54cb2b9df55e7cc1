"""What a check comes to: findings say that something is wrong, notes only say what is there."""

from dataclasses import dataclass

from .plain import Row


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. `position` is the byte in the file, None where it is about the whole."""

    path: str
    message: str
    position: int | None = None
    is_note: bool = False

    def __str__(self) -> str:
        where = "" if self.position is None else f" at byte {self.position}"
        return f"{'note: ' if self.is_note else ''}{self.path}{where}: {self.message}"

    def row(self) -> Row:
        """The same for JSON."""
        return {
            "type": "note" if self.is_note else "finding",
            "file": self.path,
            "position": self.position,
            "message": self.message,
        }

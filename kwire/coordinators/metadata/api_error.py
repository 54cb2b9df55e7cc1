"""An expected refusal as a value: the code and the words that an answer carries."""

from __future__ import annotations

from typing import Final, NamedTuple

from kwire_codecs.errors import ErrorCode


class ApiError(NamedTuple):
    """An error code and what to tell the user; `message` None is sent as null."""

    error_code: ErrorCode
    message: str | None = None

    @classmethod
    def of(cls, error_code: ErrorCode) -> ApiError:
        """The error with the code's own words."""
        return cls(error_code, error_code.message)

    @property
    def failed(self) -> bool:
        """Whether it is an error at all."""
        return self.error_code is not ErrorCode.NONE


NO_ERROR: Final = ApiError(ErrorCode.NONE)

"""Other choices for whoever looks for a defect at random, where those of every run have missed it.

`scripts/mutants` numbers its tries; what Hypothesis draws is switched in `conftest.py`, seeds of tests here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import pytest

VARIABLE = "KWIRE_TEST_TRY"
NUMBER = int(os.environ.get(VARIABLE, "1"))
_APART = 600
"""Further than any test's seeds lie from each other, and of the same kind where a test goes by `seed % 3`."""


def seeds(usual: Iterable[int]) -> list[Any]:
    """The parameters of a test, named by its `usual` seeds: these, or at a later try others."""
    return [pytest.param(seed + _APART * (NUMBER - 1), id=str(seed)) for seed in usual]

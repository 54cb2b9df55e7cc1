"""Async tests run under trio, each in a loop of its own; one that hangs fails after a minute, with its
stack.
"""

from __future__ import annotations

import inspect
import os
from typing import Any

import pytest
import trio
from hypothesis import Phase, settings

from tests import tries
from tests.deadline import TEST_DEADLINE_SECONDS

# A slow machine is no failure: what hangs is caught by the deadline above.
settings.register_profile("kwire", deadline=None)
settings.load_profile("kwire")

# `scripts/mutants` tries a defect first as CI does, where what a search draws follows from its test's text,
# and then with seeds (pytest's --hypothesis-seed, which counts only where that is switched off).
if tries.VARIABLE in os.environ:
    settings.register_profile(
        "kwire try",
        deadline=None,
        database=None,
        derandomize=tries.NUMBER == 1,
        phases=(Phase.explicit, Phase.generate, Phase.target),  # nobody reads what it has found
    )
    settings.load_profile("kwire try")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs `async def` tests."""
    function = pyfuncitem.obj
    if not inspect.iscoroutinefunction(function):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments: dict[str, Any] = {name: pyfuncitem.funcargs[name] for name in names}

    async def run() -> None:
        with trio.fail_after(TEST_DEADLINE_SECONDS):
            await function(**arguments)

    trio.run(run)
    return True

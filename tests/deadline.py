"""When a test that hangs is ended: the only limit in real time that tests have, since how fast the machine is
must not decide.
"""

from __future__ import annotations

import os

TEST_DEADLINE_SECONDS = int(os.environ.get("KWIRE_TEST_DEADLINE_SECONDS", "60"))

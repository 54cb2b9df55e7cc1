"""Measurements. `python -m bench` puts kwire beside its peers; README.md says what else is here.

Runs from a checkout as it is: where nothing is installed, kwire's packages are those beside this one.
"""

import sys
from pathlib import Path

sys.path += [
    root for name in ("codecs", "storage") if (root := str(Path(__file__).parents[1] / name)) not in sys.path
]

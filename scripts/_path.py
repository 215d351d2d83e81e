"""Let the commands of this folder import the package callcenterai, which stands beside it.

Python puts the folder of the script that it runs on sys.path, not the repository's root. Each command imports this
module first, so that `python scripts/NAME.py` works from any folder without an installation.
"""

import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[1])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

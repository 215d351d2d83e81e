"""Let the benchmarks import the repository's packages; each benchmark imports this module first.

Python puts the folder of the script that it runs on sys.path, not the repository's root.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

"""Test modules import their neighbours (elfwriter, recorded) by name."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

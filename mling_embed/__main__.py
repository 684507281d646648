"""Run the command line: ``python -m mling_embed``."""

from __future__ import annotations

import sys

from mling_embed.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""``python -m npformer`` is the same as ``npformer``."""

from __future__ import annotations

import sys

from npformer.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

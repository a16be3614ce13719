"""`python -m benchmarks [NAME …]`: measure, and print a table for each."""

from __future__ import annotations

import gc
import sys
from importlib import import_module

import uvloop

NAMES = ("receive", "roundtrip", "size")


def main() -> None:
    """Run what is named, or everything."""
    names = sys.argv[1:] or NAMES
    gc.disable()
    for name in names:
        if name not in NAMES:
            sys.exit(f"There is no benchmark {name}: {', '.join(NAMES)}")
        table = uvloop.run(import_module(f"benchmarks.{name}").run())
        print(table, flush=True)


if __name__ == "__main__":
    main()

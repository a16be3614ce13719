"""`python -m benchmarks [NAME …]`: measure, and print a table for each."""

from __future__ import annotations

import argparse
import gc
import inspect
from importlib import import_module

import uvloop

NAMES = ("receive", "roundtrip", "size", "dispatch", "drain")
# Minutes each: only by name.
LONG = (
    "webhook", "processes", "procrastinate", "redis", "sockets", "memory", "takeover", "frozen",
)  # fmt: skip


def main() -> None:
    """Run what is named, or all that are short."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join((*NAMES, *LONG)))
    parser.add_argument("--rounds", type=int, help="how often, where there are rounds")
    parser.add_argument("--seconds", type=float, help="how long, where it goes by time")
    parser.add_argument("--count", type=int, help="how many, where it goes by number")
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    names = given.pop("names") or NAMES
    for name in names:
        if name not in NAMES + LONG:
            parser.error(f"there is no benchmark {name}: {', '.join((*NAMES, *LONG))}")
    gc.disable()
    for name in names:
        run = import_module(f"benchmarks.{name}").run
        known = inspect.signature(run).parameters
        print(uvloop.run(run(**{key: value for key, value in given.items() if key in known})), flush=True)


if __name__ == "__main__":
    main()

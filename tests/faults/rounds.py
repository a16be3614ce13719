"""`pytest -p tests.faults.rounds --rounds 20`: every fault many times, and a table of what became of it.

A test belongs to the rows whose numbers are in its name: `test_f04_f12_kill_…`.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ROWS = range(1, 41)
_ROW = re.compile(r"_f(\d\d)(?=_)")
_TABLE = re.compile(r"^\| (\d+) \| (.+?) \|", re.MULTILINE)


def rows_of(name: str) -> list[int]:
    """The rows of the matrix to which a test belongs."""
    return [int(number) for number in _ROW.findall(name)]


def pytest_addoption(parser: pytest.Parser) -> None:
    """How often each is run."""
    parser.addoption("--rounds", type=int, default=1, help="How often each test of a fault is run.")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have each test of a fault run so many times."""
    if rows_of(metafunc.function.__name__):
        metafunc.fixturenames.append("_round")
        metafunc.parametrize("_round", range(metafunc.config.getoption("--rounds")))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what belongs to no fault, but for what is run nowhere else."""
    items[:] = [item for item in items if rows_of(item.name) or item.get_closest_marker("slow")]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the matrix: how often each row was run, and whether it held each time."""
    passed, failed = (_count(terminalreporter.stats, *kinds) for kinds in (("passed",), ("failed", "error")))
    musts = dict(_TABLE.findall(Path(__file__).with_name("README.md").read_text()))
    write = terminalreporter.write_line
    terminalreporter.section("faults")
    write(f"{'row':>3}  {'runs':>5}  {'held':>5}  must hold")
    for row in ROWS:
        runs = passed[row] + failed[row]
        write(f"{row:>3}  {runs:>5}  {passed[row]:>5}  {musts.get(str(row), '')}")
    held = sum(passed[row] > 0 and not failed[row] for row in ROWS)
    write(f"{held} of {len(ROWS)}, each at least {min(passed[row] for row in ROWS)} times")


def _count(stats: dict[str, list[Any]], *kinds: str) -> Counter[int]:
    """How many tests of each row ended so."""
    reports = [report for kind in kinds for report in stats.get(kind, ())]
    return Counter(row for report in reports for row in rows_of(report.nodeid))

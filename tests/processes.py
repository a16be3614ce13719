"""Bridge as its users run it: a process of its own, on a free port, ended afterwards."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.servers import free_port

READY_WITHIN = 60.0  # seconds, generous for a busy machine
GONE_WITHIN = 30.0
BRIDGE = (sys.executable, "-m", "bridge")


def environment(folder: Path, port: int, **more: str) -> dict[str, str]:
    """What a gateway needs to know to run in `folder`, and nothing of ours."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "BRIDGE_PORT": str(port), "BRIDGE_DATA_DIR": str(folder / "data"), **more}


@contextmanager
def serving(
    command: Sequence[str] = BRIDGE,
    *,
    folder: Path,
    settings: Mapping[str, str] | None = None,
    verb: str = "serve",
) -> Iterator[str]:
    """`bridge serve` (or `demo`), ready; yields its address. It must end by itself, and well, on SIGTERM."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, verb],
            cwd=folder,
            env=environment(folder, port, **(settings or {})),
            stdout=out,
            stderr=out,
        )
    try:
        wait_until_ready(process, f"http://127.0.0.1:{port}", log)
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        code = process.wait(GONE_WITHIN)
        assert code == 0, f"SIGTERM was answered with {code}:\n{log.read_text()}"
    finally:
        process.kill()
        process.wait()


def wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Return when `/readyz` is 200; an `AssertionError` shows the log of what is not."""
    deadline = time.monotonic() + READY_WITHIN
    while not _is_ready(url):
        assert process.poll() is None, f"bridge ended with {process.returncode}:\n{log.read_text()}"
        assert time.monotonic() < deadline, (
            f"bridge was not ready within {READY_WITHIN:.0f} s:\n{log.read_text()}"
        )
        time.sleep(0.05)


def setup_link(read: Callable[[], str]) -> str:
    """The one-time link in a log; it is said a moment after the process is ready."""
    deadline = time.monotonic() + READY_WITHIN
    while not (found := re.search(r"/inbox/#/setup/\S+", read())):
        assert time.monotonic() < deadline, f"no link was said:\n{read()}"
        time.sleep(0.05)
    return found[0]


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False

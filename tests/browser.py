"""Finds the Chromium that the tests drive, and gets one where there is none.

From `CHROMIUM`, from `PATH`, from Playwright's own download, or from the distribution's package, in
this order. Where none can be had, the tests fail and say what to install: they never skip.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
QUIET = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
)
WHAT_TO_DO = """\
The tests of the pages need Chromium, and none was found. One of these helps:
  - install the package of your distribution, for example: apt-get install chromium
  - let Playwright fetch its own: .venv/bin/playwright install chromium
  - name one that you have: CHROMIUM=/path/to/chromium make test"""


class NoChromiumError(Exception):
    """There is no Chromium here; the text says what to do."""


def find() -> Path:
    """The program to run. Raises `NoChromiumError`."""
    named = os.environ.get("CHROMIUM")
    if named:
        program = shutil.which(named)
        if not program:
            raise NoChromiumError(f"CHROMIUM is {named}, which is no program that can be run.")
        return Path(program)
    for name in NAMES:
        if program := shutil.which(name):
            return Path(program)
    if (own := _playwrights_own()).is_file():
        return own
    raise NoChromiumError(WHAT_TO_DO)


def flags() -> list[str]:
    """How to start it: it keeps to itself, and goes without its sandbox as root, who cannot have one."""
    return [*QUIET, "--no-sandbox"] if os.geteuid() == 0 else list(QUIET)


def install() -> None:
    """Ask the distribution's package manager, where we may. Raises `NoChromiumError`."""
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if not shutil.which("apt-get") or (as_root and not _runs(["sudo", "-n", "true"])):
        raise NoChromiumError(WHAT_TO_DO)
    print("Installing Chromium for the tests of the pages (apt-get install chromium) …", flush=True)
    get = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    package = ["install", "--yes", "--no-install-recommends", "chromium"]
    # The lists of packages may be missing or old.
    if not _runs([*get, *package]) and not (_runs([*get, "update"]) and _runs([*get, *package])):
        raise NoChromiumError(WHAT_TO_DO)


def main() -> int:
    """For `make test`: finds or installs Chromium, and says which one it is."""
    try:
        try:
            program = find()
        except NoChromiumError:
            if os.environ.get("CHROMIUM"):
                raise
            install()
            program = find()
    except NoChromiumError as problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"Chromium: {program}")
    return 0


def _playwrights_own() -> Path:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path)


def _runs(command: list[str]) -> bool:
    try:
        return (
            subprocess.run(
                command, check=False, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL
            ).returncode
            == 0
        )
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    sys.exit(main())

"""Where the tests of the pages get their Chromium from, and what happens where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import browser


@pytest.fixture(autouse=True)
def nothing_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without any browser; returns the one folder of its PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "downloads"))
    monkeypatch.delenv("CHROMIUM", raising=False)
    return folder


def program(path: Path, script: str = "exit 0") -> Path:
    """A program that runs `script`."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_the_named_browser_comes_first(
    nothing_there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who names a browser wants that one, whatever else is installed."""
    program(nothing_there / "chromium")
    mine = program(tmp_path / "mine")
    monkeypatch.setenv("CHROMIUM", str(mine))
    assert browser.find() == mine


def test_a_named_browser_that_is_missing_fails(nothing_there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Taking another one silently would test something else than was asked for."""
    program(nothing_there / "chromium")
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")
    with pytest.raises(browser.NoChromiumError, match="/nowhere/chromium"):
        browser.find()


@pytest.mark.parametrize("name", browser.NAMES)
def test_a_browser_on_the_path_is_found(nothing_there: Path, name: str) -> None:
    """Distributions call it by different names."""
    there = program(nothing_there / name)
    assert browser.find() == there


def test_without_any_browser_it_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """A run without a browser must fail: a skipped test of a page tests nothing."""
    assert browser.main() == 1
    said = capsys.readouterr().err
    assert "apt-get install chromium" in said
    assert "playwright install chromium" in said


def test_the_distributions_package_is_installed_where_we_may(
    nothing_there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A newcomer with root, or a machine of CI, gets a browser without knowing that one is needed."""
    program(nothing_there / "sudo", 'shift; exec "$@"')
    program(nothing_there / "env", 'shift; exec "$@"')
    program(nothing_there / "true")
    chromium, lists = nothing_there / "chromium", nothing_there / "lists"
    program(nothing_there / "apt-get", f"""
        if [ "$1" = update ]; then /bin/touch {lists}; exit; fi
        [ -e {lists} ] || exit 100  # as on a fresh machine, whose lists of packages are empty
        /bin/cp {nothing_there}/true {chromium}
    """)  # fmt: skip
    assert browser.main() == 0
    assert str(chromium) in capsys.readouterr().out

"""What is handed out: the wheel, and the image's description."""

from __future__ import annotations

import re
import shutil
import site
import subprocess
import sys
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

import bridge
from tests.processes import serving

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a wheel is built from, so that nothing is built into the working tree."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "bridge", copy / "bridge", ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def build(source: Path, to: Path) -> subprocess.CompletedProcess[str]:
    """Build a wheel as the image does, without network."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(to)]
    return subprocess.run(command, cwd=source, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built once."""
    to = tmp_path_factory.mktemp("dist")
    done = build(source, to)
    assert done.returncode == 0, done.stderr
    return next(to.glob("*.whl"))


def test_wheel_carries_the_pages_and_nothing_of_the_workshop(wheel: Path) -> None:
    """Who installs Bridge gets its pages without Node.js, and none of our tests."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "bridge/static/inbox/index.html" in names
    assert "bridge/static/widget.js" in names
    assert any(name.startswith("bridge/store/migrations/versions/") for name in names)
    assert {name.partition("/")[0].removesuffix("-0.1.0.dist-info") for name in names} == {
        "bridge",
        "fallback_bridge",
    }
    assert not [name for name in names if name.endswith((".pyc", ".map"))]


@pytest.mark.parametrize("page", ["inbox/index.html", "widget.js"])
def test_wheel_without_its_pages_is_refused(source: Path, tmp_path: Path, page: str) -> None:
    """A wheel without pages installs well and then serves nothing: nobody should get that far."""
    broken = tmp_path / "source"
    shutil.copytree(source, broken)
    (broken / "bridge/static" / page).unlink()
    done = build(broken, tmp_path / "dist")
    assert done.returncode != 0
    assert f"bridge/static/{page}" in done.stderr
    assert "make web" in done.stderr
    assert not list((tmp_path / "dist").glob("*"))


def test_installed_wheel_serves_the_inbox(wheel: Path, tmp_path: Path) -> None:
    """What works from the source tree must work from the wheel: files that were left out show here."""
    home = tmp_path / "installed"
    venv.create(home, with_pip=False, symlinks=True)
    # The dependencies come from the environment of the tests. Its own link to our sources is not followed:
    # a folder that is named in a .pth file is searched, and the .pth files in it are not read.
    packages = next((home / "lib").glob("python*")) / "site-packages"
    (packages / "dependencies.pth").write_text(site.getsitepackages()[0] + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(home / "bin/python"), "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "install", "--quiet", "--no-index", "--no-deps", "--ignore-installed", str(wheel)], check=True
    )
    command = [str(home / "bin/bridge")]
    shown = subprocess.run([*command, "--help"], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert "serve" in shown.stdout
    with serving(command, folder=tmp_path / "work") as url:
        for path in ("/inbox/", "/widget.js"):
            with urllib.request.urlopen(url + path) as answer:
                assert answer.status == 200


def test_image_and_package_have_one_version() -> None:
    """The compose file names the image it builds: an old name would hide a new version."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert compose["services"]["gateway"]["image"] == f"fallback-bridge:{bridge.__version__}"
    assert f'version = "{bridge.__version__}"' in (ROOT / "pyproject.toml").read_text()


def test_only_the_two_doors_open_ports() -> None:
    """A database that listens on the host is a database that somebody finds."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert {name for name, service in services.items() if "ports" in service} == {"door", "caddy"}
    assert services["door"]["ports"] == ["127.0.0.1:${BRIDGE_PORT:-8080}:8080"]
    assert services["caddy"]["profiles"] == ["tls"]
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_there_may_be_many_gateways() -> None:
    """`--scale gateway=3` works: they share what they must, and both doors lead to all of them."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    gateway = services["gateway"]
    assert not {"ports", "container_name", "hostname"} & gateway.keys()
    assert gateway["volumes"] == ["files:/data"]
    shared = {"BRIDGE_SECRET", "DATABASE_URL", "REDIS_URL", "BRIDGE_PUBLIC_URL"}
    assert shared <= gateway["environment"].keys()
    way = (ROOT / "deploy/gateways.caddy").read_text()
    assert re.findall(r"^\s+name (\S+)", way, re.MULTILINE) == ["gateway"]
    assert re.findall(r"^\s+port (\S+)", way, re.MULTILINE) == [gateway["environment"]["BRIDGE_PORT"]]
    for door in ("door", "caddy"):
        assert "./deploy:/etc/caddy:ro" in services[door]["volumes"]
        assert set(services[door]["networks"]) & set(gateway["networks"])


@pytest.mark.parametrize("lock", ["requirements/run.txt", "requirements/dev.txt", "web/package-lock.json"])
def test_lock_files_pin_by_hash_and_name_no_host(lock: str) -> None:
    """A lock that names a host breaks whoever installs from a mirror."""
    text = (ROOT / lock).read_text()
    assert "sha256:" in text or "sha512-" in text
    assert not re.search(r'"resolved"|--index-url|--find-links|registry\.', text)

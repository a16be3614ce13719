"""A real Caddy with the configuration of `deploy/`, and the name server that it asks for gateways."""

from __future__ import annotations

import asyncio
import os
import re
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.gateways import until
from tests.servers import free_port

DEPLOY = Path(__file__).parent.parent / "deploy"
CADDY = Path(sys.executable).with_name("caddy")


class NameServer(asyncio.DatagramProtocol):
    """Says that every name leads to these IPv4 addresses."""

    def __init__(self, addresses: list[str]) -> None:
        self.addresses = addresses
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        end = data.index(0, 12) + 5  # a name, its type and its class
        wanted = struct.unpack(">H", data[end - 4 : end - 2])[0]
        found = self.addresses if wanted == 1 else []
        answers = b"".join(
            struct.pack(">HHHIH4B", 0xC00C, 1, 1, 0, 4, *map(int, address.split("."))) for address in found
        )
        head = data[:2] + struct.pack(">HHHHH", 0x8180, 1, len(found), 0, 0)
        self._transport.sendto(head + data[12:end] + answers, addr)


@asynccontextmanager
async def caddy(folder: Path, file: str, addresses: list[str], port: int) -> AsyncIterator[str]:
    """A Caddy with a file of `deploy/`, before gateways at these addresses; yields where it is."""
    asking, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: NameServer(addresses), local_addr=("127.0.0.1", 0)
    )
    door = free_port()
    url = f"http://localhost:{door}"
    _configure(folder, url, asking.get_extra_info("sockname")[1], port)
    process = _start(folder, file, url)
    try:
        await until(lambda: _listens(door))
        yield url
    finally:
        process.terminate()
        process.wait()
        asking.close()


def _configure(folder: Path, url: str, names: int, port: int) -> None:
    """Our files, but for the ports, and for who is asked for names."""
    folder.mkdir()
    for original in DEPLOY.iterdir():
        text = original.read_text().replace("name gateway\n", f"name gateway\nresolvers 127.0.0.1:{names}\n")
        text = re.sub(r"^:8080 ", f"{url} ", text, flags=re.MULTILINE)
        (folder / original.name).write_text(text.replace("port 8080", f"port {port}"))


def _start(folder: Path, file: str, url: str) -> subprocess.Popen[bytes]:
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "BRIDGE_PUBLIC_URL": url,
        "CADDY_ADMIN": f"127.0.0.1:{free_port()}",
    }  # fmt: skip
    command = [str(CADDY), "run", "--config", str(folder / file), "--adapter", "caddyfile"]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True

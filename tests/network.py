"""Keeps the tests on this machine: whatever would reach beyond loopback fails, and says so."""

from __future__ import annotations

import ipaddress
import socket
import sys
from typing import Any

import pytest


def stay_on_loopback() -> None:
    """From now on, this process connects to loopback and Unix sockets only.

    Names under `.invalid` (RFC 6761) do not exist, as in real life, but without asking anybody.
    """
    sys.addaudithook(_check)


def _check(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        sock, address = arguments
        if sock.family in (socket.AF_INET, socket.AF_INET6) and not _is_local(address[0]):
            _refuse(f"{address[0]} port {address[1]}")
    elif event == "socket.getaddrinfo" and arguments[0]:
        host = arguments[0].decode() if isinstance(arguments[0], bytes) else str(arguments[0])
        if host.endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if not _is_local(host):
            _refuse(host)


def _is_local(host: str) -> bool:
    if host in ("", "localhost", "localhost.localdomain"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _refuse(where: str) -> None:
    # pytest's own exception is no `Exception`: code under test cannot take it for a vendor that is down.
    pytest.fail(f"The tests stay on this machine, and this one reached for {where}", pytrace=True)

"""Holds a server on a leash: it ends when the one that started it does, however that ended.

    python leash.py SIGNAL USER FOLDER COMMAND…

Runs COMMAND as USER (empty: as we are) until standard input says "stop" or closes, which also a
`kill -9` of the tests does; then sends it SIGNAL, waits, kills, and, if nobody said "stop", removes
FOLDER (empty: nothing).
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading

PATIENCE = 10  # seconds that the server has to end by itself


def main(signal_name: str, user: str, folder: str, *command: str) -> int:
    """Returns the server's exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    identity = {"user": user, "group": _group(user), "extra_groups": []} if user else {}
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **identity)  # type: ignore[call-overload]  # the three belong together
    left_alone = threading.Event()
    guard = threading.Thread(target=_end_when_told, args=(server, signal.Signals[signal_name], left_alone))
    guard.daemon = True
    guard.start()
    code = int(server.wait())
    if left_alone.is_set() and folder:
        shutil.rmtree(folder, ignore_errors=True)
    return code


def _end_when_told(
    server: subprocess.Popen[bytes], polite: signal.Signals, left_alone: threading.Event
) -> None:
    if sys.stdin.buffer.read() != b"stop":
        left_alone.set()
    server.send_signal(polite)
    try:
        server.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        server.kill()


def _group(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""A limit of time, and who slept through it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from bridge.timing import time_limit


async def test_limit_ends_what_takes_longer() -> None:
    """As `asyncio.timeout` does."""
    with pytest.raises(TimeoutError):
        async with time_limit(0.01):
            await asyncio.Event().wait()


async def test_limit_leaves_alone_what_is_done_in_time() -> None:
    """Nothing of it is left behind."""
    async with time_limit(0.01):
        await asyncio.sleep(0)
    await asyncio.sleep(0.02)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_f29_answer_that_came_while_the_process_was_frozen_is_heard(loop: str) -> None:
    """The limit is over and the answer is there, both at once: it is not thrown away."""
    code = f"""
        import asyncio, sys
        from {loop} import run
        from bridge.timing import time_limit

        async def main():
            reader = asyncio.StreamReader()
            await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
            )
            print("asks", flush=True)
            async with time_limit(0.5):
                await reader.readline()
                return (await reader.readline()).decode()

        print(run(main()), flush=True)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "asks\n"
        os.kill(process.pid, signal.SIGSTOP)
        frozen_at = time.monotonic()
        process.stdin.write("it\narrived\n")
        process.stdin.flush()
        time.sleep(max(frozen_at + 2 - time.monotonic(), 0))  # to be frozen for so long is what is tested
        os.kill(process.pid, signal.SIGCONT)
        assert process.stdout.read() == "arrived\n\n"

"""Worker processes, forked from one that has imported Airflow and runs a single thread.

Read as a program it is that process. It obeys orders of the driver over a socket: fork a worker that speaks over
the socket that comes with the order, or send a signal to one; and it tells how each of them ends or stops. Since
it alone reaps them, a signal never meets another process of the same number.
"""

from __future__ import annotations

import array
import gc
import itertools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from benchmarks.chaos import wire

REFUSED = 3
"""Exit status of a worker that was not let in."""
_PACKET = 65_536


class Nursery:
    """The driver's side."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.chaos.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self._changed = threading.Condition()
        self._pids: dict[int, int] = {}
        self._ended: dict[int, int] = {}
        self._stopped: set[int] = set()
        self._numbers = itertools.count()
        assert json.loads(self._channel.recv(_PACKET)) == {"ready": True}
        threading.Thread(target=self._listen, daemon=True).start()

    def fork(self, log: str) -> tuple[int, int, socket.socket]:
        """Start a worker: its number, its pid and the socket that it speaks over."""
        number = next(self._numbers)
        ours, theirs = socket.socketpair()
        with theirs:
            order = json.dumps({"fork": number, "log": str(self._logs / log)}).encode()
            fds = array.array("i", [theirs.fileno()])
            self._channel.sendmsg([order], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        with self._changed:
            self._changed.wait_for(lambda: number in self._pids)
            return number, self._pids[number], ours

    def signal(self, number: int, which: int) -> None:
        """Send a signal to a worker, if it still is there."""
        self._channel.send(json.dumps({"signal": number, "which": int(which)}).encode())

    def status(self, number: int) -> int | None:
        """How a worker has ended: its exit status, or minus the signal's number."""
        return self._ended.get(number)

    def wait(self, number: int, timeout: float) -> int | None:
        """Wait until a worker has ended."""
        with self._changed:
            self._changed.wait_for(lambda: number in self._ended, timeout)
            return self._ended.get(number)

    def wait_stopped(self, number: int, timeout: float) -> bool:
        """Wait until a worker is seen to stand still."""
        with self._changed:
            return self._changed.wait_for(lambda: number in self._stopped, timeout)

    def close(self) -> None:
        """End all."""
        self._channel.shutdown(socket.SHUT_RDWR)
        self._process.wait(timeout=30)

    def _listen(self) -> None:
        while packet := self._channel.recv(_PACKET):
            told = json.loads(packet)
            with self._changed:
                if "pid" in told:
                    self._pids[told["worker"]] = told["pid"]
                elif "status" in told:
                    self._ended[told["worker"]] = told["status"]
                elif told["stopped"]:
                    self._stopped.add(told["worker"])
                else:
                    self._stopped.discard(told["worker"])
                self._changed.notify_all()


def _serve(channel: socket.socket) -> None:
    from benchmarks.chaos import runner, tasks

    runner.warm_up()
    tasks.warm_up()
    assert threading.active_count() == 1, "a process with threads must not fork"
    gc.collect()
    gc.freeze()
    alarm, bell = socket.socketpair()
    for end in (alarm, bell):
        end.setblocking(False)
    signal.set_wakeup_fd(bell.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    workers: dict[int, int] = {}  # pid -> number

    def tell(**what: Any) -> None:
        channel.send(json.dumps(what).encode())

    tell(ready=True)
    while True:
        readable, _, _ = select.select([channel, alarm], [], [])
        if alarm in readable:
            alarm.recv(4096)
            _reap(workers, tell)
        if channel not in readable:
            continue
        packet, fds, _, _ = socket.recv_fds(channel, _PACKET, 1)
        if not packet:
            for pid in workers:
                os.kill(pid, signal.SIGKILL)
            return
        order = json.loads(packet)
        if "signal" in order:
            for pid, number in workers.items():
                if number == order["signal"]:
                    os.kill(pid, order["which"])
            continue
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for end in (channel, alarm, bell):
                end.close()
            _work(socket.socket(fileno=fds[0]), order["log"])
        os.close(fds[0])
        workers[pid] = order["fork"]
        tell(worker=order["fork"], pid=pid)


def _reap(workers: dict[int, int], tell: Any) -> None:
    while workers:
        pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
        if pid == 0:
            return
        if os.WIFSTOPPED(status) or os.WIFCONTINUED(status):
            tell(worker=workers[pid], stopped=os.WIFSTOPPED(status))
        else:
            tell(worker=workers.pop(pid), status=os.waitstatus_to_exitcode(status))


def _work(channel: socket.socket, log: str) -> None:
    """Be a worker, from the call that lets it start to its last report."""
    status = 1
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        wire.send(channel, [0, {"type": "Start", "pid": os.getpid()}])
        answer = wire.receive(channel)
        if answer is None or answer[1] is None:
            status = REFUSED
        else:
            from benchmarks.chaos import runner, tasks

            job = answer[1]
            tasks.connect(job["url"], job["token"])
            status = runner.run(channel, job, tasks.build(job))
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))

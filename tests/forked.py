"""Runs of the workflow whose processes are forks of one that has imported the libraries.

Tests run hundreds of jobs. A job is a process that imports libraries for seconds and then works for
a moment. Here a server imports the libraries once; Snakemake and the scripts of its jobs are forks
of it. The package is not among the libraries: each process imports it from the copy of the workflow
that it runs. `make run` and jobs on Slurm start processes as users do, and so do all tests
with LATENTCELL_FAULTS=1 and on systems other than Linux.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import selectors
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
import weakref
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil

_HERE = Path(__file__).parent
_LONGEST = 100
_servers = []
# fmt: off
_LIBRARIES = (
    "snakemake.cli", "snakemake.executors.local", "snakemake.scheduling.milp", "snakemake.report",
    "smart_open", "jinja2", "nbformat", "pooch", "pydantic", "yaml", "numpy", "pandas", "scipy.io",
    "scipy.optimize", "scipy.stats", "h5py", "anndata", "safetensors.numpy", "safetensors.torch",
    "threadpoolctl", "numba", "torch", "openTSNE", "igraph", "pynndescent", "umap",
    "scanpy", "sklearn.cluster", "sklearn.decomposition", "sklearn.linear_model", "sklearn.metrics",
    "sklearn.neighbors", "matplotlib.figure",
    *(f"matplotlib.backends.backend_{name}" for name in ("agg", "pdf", "svg")),
)
# fmt: on


@cache
def python():
    """Return a program to call in place of Python; it starts a server for this process."""
    if os.environ.get("LATENTCELL_FAULTS") or not hasattr(os, "pidfd_open"):
        return sys.executable
    folder = tempfile.TemporaryDirectory(prefix="forked-")
    address, program = (f"{folder.name}/{name}" for name in ("socket", "python"))
    client = [sys.executable, "-I", "-S", str(_HERE / "forked_client.py"), address, sys.executable]
    Path(program).write_text(f'#!/bin/sh\nexec {shlex.join(client)} "$@"\n')
    Path(program).chmod(0o755)
    if not os.access(program, os.X_OK) or len(address) > _LONGEST:
        return sys.executable  # No program may run there, or no socket has so long a path.
    # Paths of the package belong to the forks.
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    server = subprocess.Popen(
        [sys.executable, __file__, address, program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=env,
    )
    _servers.append(psutil.Process(server.pid))
    atexit.register(folder.cleanup)
    atexit.register(server.communicate)  # It stops when its input is closed.
    assert server.stdout.readline() == b"ready\n"
    return program


def seconds():
    """Seconds of the processor that the server and the forks that have ended have used."""
    return sum(sum(server.cpu_times()[:4]) for server in _servers)


class _Server:
    """Forks a process for each client, and sends the client its number and its status."""

    def __init__(self, address, program):
        self.program = program
        self.path = [entry for entry in sys.path if Path(entry) != _HERE]
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(address)
        self.listener.listen(64)
        self.events = selectors.DefaultSelector()
        self.events.register(self.listener, selectors.EVENT_READ, self.accept)
        self.events.register(sys.stdin, selectors.EVENT_READ, self.stop)
        self.serving = True

    def serve(self):
        """Serve clients until the standard input is closed."""
        while self.serving:
            for key, _ in self.events.select():
                key.data(key.fileobj)

    def stop(self, _):
        self.serving = False

    def accept(self, listener):
        """Fork a process with the standard streams of a client."""
        client, _ = listener.accept()
        request, streams, _, _ = socket.recv_fds(client, 1 << 16, 3)
        while not request.endswith(b"\n"):
            request += client.recv(1 << 16)
        pid = os.fork()
        if pid == 0:
            for one in (self.events, listener, client):
                one.close()
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            os.closerange(3, max(streams) + 1)
            _become(json.loads(request), self.path, self.program)
        for stream in streams:
            os.close(stream)
        client.sendall(f"{pid}\n".encode())
        ended = os.pidfd_open(pid)
        self.events.register(ended, selectors.EVENT_READ, lambda _: self.end(pid, ended, client))
        self.events.register(client, selectors.EVENT_READ, lambda _: self.abandon(pid, client))

    def end(self, pid, ended, client):
        """Send a client the status of its process."""
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        self.events.unregister(ended)
        os.close(ended)
        with suppress(OSError, KeyError):
            client.sendall(f"{status}\n".encode())
            self.events.unregister(client)
        client.close()

    def abandon(self, pid, client):
        """Kill the process of a client that was killed."""
        if client.fileno() < 0:
            return  # Both ended at once.
        self.events.unregister(client)
        os.kill(pid, signal.SIGKILL)


def _become(request, path, program):
    """Turn this fork into the process that was asked for; does not return."""
    status = 1
    try:
        os.setpgid(0, request["group"])
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["variables"])
        sys.executable = program
        sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
        inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        sys.path[:] = [*filter(None, inherited), *path]
        first, *sys.argv = request["arguments"]
        if first == "-m":
            sys.path.insert(0, request["folder"])
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        else:
            sys.path.insert(0, str(Path(first).parent))
            sys.argv.insert(0, first)
            runpy.run_path(first, run_name="__main__")
        status = 0
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(BaseException):
            atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)


if __name__ == "__main__":
    for library in _LIBRARIES:
        importlib.import_module(library)
    # Numba imports and registers its functions at the first compilation of a process.
    sys.modules["numba"].njit(lambda: None)()
    # A fork that ends does not dispose of what the server has compiled.
    for inherited in list(weakref.finalize._registry):
        inherited.atexit = False
    gc.freeze()  # Collections of the forks would copy the pages of these objects.
    server = _Server(*sys.argv[1:])
    print("ready", flush=True)
    server.serve()

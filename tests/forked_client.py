"""Stands for Python: asks the server of `forked` for a process and ends as that ends."""

import json
import os
import signal
import socket
import sys
from pathlib import Path

address, python, *arguments = sys.argv[1:]
# Options of Python, such as the -c of a helper that a library starts.
if not (arguments[0] == "-m" or arguments[0].endswith(".py")):
    os.execv(python, [python, *arguments])
request = {
    "arguments": arguments,
    "folder": str(Path.cwd()),
    "group": os.getpgrp(),
    "variables": dict(os.environ),
}
content = json.dumps(request).encode() + b"\n"
server = socket.socket(socket.AF_UNIX)
server.connect(address)
server.sendall(content[socket.send_fds(server, [content], [0, 1, 2]) :])
answers = server.makefile()
process = int(answers.readline())
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: os.kill(process, number))
status = int(answers.readline())
if status < 0:
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
sys.exit(status)

"""The program that stands for Python in tests of the workflow does as Python does."""

import os
import signal
import subprocess
import sys
import time

import pytest

import forked

pytestmark = pytest.mark.xdist_group("module")
TELL = """
import os, sys
print(sys.argv[1:], os.getcwd(), os.environ["SAID"], sys.stdin.read(), sys.path[0])
print("torch" in sys.modules, "latentcell" in sys.modules)
import latentcell
print(latentcell.__file__)
"""


@pytest.fixture(autouse=True)
def forks():
    if forked.python() == sys.executable:
        pytest.skip("processes are not forked here")


def run(python, folder, code, *arguments, **options):
    script = folder / "script.py"
    script.write_text(code)
    return subprocess.run(
        [python, script, *arguments], capture_output=True, text=True, cwd=folder, **options
    )


def test_a_script_has_its_arguments_streams_folder_and_variables(tmp_path):
    package = tmp_path / "copy/latentcell"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    env = {"SAID": "a\nb", "PYTHONPATH": str(tmp_path / "copy")}
    options = {"env": os.environ | env, "input": "typed"}
    plain = run(sys.executable, tmp_path, TELL, "one", "2 3", **options)
    fork = run(forked.python(), tmp_path, TELL, "one", "2 3", **options)
    assert plain.returncode == fork.returncode == 0, fork.stderr
    assert fork.stdout == plain.stdout.replace("False False", "True False")
    assert str(package) in fork.stdout


@pytest.mark.parametrize(
    "code",
    [
        "import sys; sys.exit(3)",
        "import sys; sys.exit('a sentence')",
        "import sys; sys.exit()",
        "import atexit; atexit.register(print, 'at the end'); print(end='unfinished line, ')",
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
    ],
)
def test_it_ends_as_python_does(tmp_path, code):
    plain, fork = (run(program, tmp_path, code) for program in (sys.executable, forked.python()))
    assert (fork.returncode, fork.stdout) == (plain.returncode, plain.stdout)
    assert fork.stderr == plain.stderr


def test_an_exception_shows_its_traceback(tmp_path):
    done = run(forked.python(), tmp_path, "1 / 0")
    assert done.returncode == 1
    assert 'script.py", line 1, in <module>' in done.stderr
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize("value", ["", "1"])
def test_compiled_modules_are_kept_where_they_are_asked_for(tmp_path, value):
    env = os.environ | {"PYTHONDONTWRITEBYTECODE": value}
    done = run(forked.python(), tmp_path, "import sys; print(sys.dont_write_bytecode)", env=env)
    assert done.stdout == f"{value == '1'}\n"


def test_modules_and_code_are_run_too(tmp_path):
    module = [forked.python(), "-m", "snakemake", "--version"]
    done = subprocess.run(module, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("9.")
    code = [forked.python(), "-c", "import sys; print(sys.executable)"]
    done = subprocess.run(code, capture_output=True, text=True, check=True)
    assert done.stdout == f"{sys.executable}\n"


WAIT = """
import os, pathlib, signal, sys, time

signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
pathlib.Path("pid").write_text(str(os.getpid()))
pathlib.Path("ready").touch()
time.sleep(60)
"""


def waiting(folder):
    (folder / "script.py").write_text(WAIT)
    client = subprocess.Popen([forked.python(), "script.py"], cwd=folder)
    for _ in range(600):
        if (folder / "ready").exists():
            return client, int((folder / "pid").read_text())
        time.sleep(0.05)
    raise AssertionError("the script did not start")


def test_a_signal_reaches_the_process(tmp_path):
    client, _ = waiting(tmp_path)
    client.send_signal(signal.SIGTERM)
    assert client.wait(timeout=30) == 7


def test_the_process_does_not_survive_its_client(tmp_path):
    client, process = waiting(tmp_path)
    client.kill()
    client.wait()
    for _ in range(600):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError("the process still runs")

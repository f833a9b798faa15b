"""What ordinary nodes do still works: a protection that is in the way gets switched off."""

import sys

import pytest

from pyflowd_client.blocking import Client
from support.daemons import graph, node

FORK = "import multiprocessing\nfork = multiprocessing.get_context('fork')\n"
WORK = {
    "a pool of processes": (FORK + "with fork.Pool(2) as pool: return pool.map(abs, [-1, -2])", [1, 2]),
    "a process that is ended": (
        FORK + "import time\nchild = fork.Process(target=time.sleep, args=(60,))\n"
        "child.start(); child.terminate(); child.join()\nreturn child.exitcode",
        -15,
    ),
    "an executor": (
        FORK + "from concurrent.futures import ProcessPoolExecutor\n"
        "with ProcessPoolExecutor(2, mp_context=fork) as pool: return list(pool.map(abs, [-3]))",
        [3],
    ),
    "a command": (
        "import subprocess\n"
        "return subprocess.run('true & wait; echo ok', shell=True, capture_output=True, text=True).stdout",
        "ok\n",
    ),
    "a command that takes too long": (
        "import subprocess\ntry: subprocess.run(['sleep', '60'], timeout=0.1)\n"
        "except subprocess.TimeoutExpired: return 1",
        1,
    ),
    "a group of processes that is killed": (
        "import os, subprocess\nchild = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
        "os.killpg(child.pid, 9)\nreturn child.wait()",
        -9,
    ),
    "asyncio": (
        "import asyncio\nasync def run():\n"
        "    child = await asyncio.create_subprocess_exec('echo', 'hi', stdout=asyncio.subprocess.PIPE)\n"
        "    return (await child.communicate())[0].decode()\nreturn asyncio.run(run())",
        "hi\n",
    ),
    "an alarm": (
        "import signal, time\ndef ring(*_): raise TimeoutError\nsignal.signal(signal.SIGALRM, ring)\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.05)\ntry: time.sleep(60)\nexcept TimeoutError: return 1",
        1,
    ),
    "threads": (
        "import threading\ngot = []\nthreads = [threading.Thread(target=got.append, args=(i,)) for i in range(20)]\n"
        "for t in threads: t.start()\nfor t in threads: t.join()\nreturn sorted(got)[-1]",
        19,
    ),
    "shared memory": (
        "from multiprocessing.shared_memory import SharedMemory\nblock = SharedMemory(create=True, size=8)\n"
        "block.buf[0] = 7\nfound = block.buf[0]\nblock.close(); block.unlink()\nreturn found",
        7,
    ),
    "a database": (
        "import sqlite3\nwith sqlite3.connect('a.db') as db: return db.execute('select 1').fetchone()[0]",
        1,
    ),
    "a pipe with a name": ("import os, stat\nos.mkfifo('q')\nreturn stat.S_ISFIFO(os.stat('q').st_mode)", True),
    "moving a file to another folder": (
        "import os\nos.mkdir('a'); os.mkdir('b'); open('a/x', 'w').close()\n"
        "os.rename('a/x', 'b/y'); os.link('b/y', 'a/z')\nreturn os.listdir('b')",
        ["y"],
    ),
    "being nice": ("import os\nreturn os.nice(1)", 1),
    "arrays": ("import numpy\nreturn list((numpy.ones((200, 200)) @ numpy.ones((200, 200))).shape)", [200, 200]),
}


@pytest.mark.parametrize(("body", "expected"), WORK.values(), ids=WORK.keys())
def test_ordinary_work_is_done(client: Client, body: str, expected: object) -> None:
    run = client.run_document(graph(node(body, returns="object")), python=sys.prefix)  # numpy is there
    assert run.result()["n0"]["output_1"] == expected

"""Records are read in several threads: their types are made ready before, for msgspec crashes where two make one."""

from __future__ import annotations

import subprocess
import sys

from tests.results.hub.hub_process import ROOT, record

CHILD = """
import sys, threading
from results.export.exchange import read_line
from results.db.json_codec import prepare
lines = sys.stdin.buffer.read().splitlines()
prepare()
sys.setswitchinterval(0.0005)
go, read = threading.Barrier(8), []
def work():
    go.wait()
    read.extend(read_line(line) for line in lines)
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(read))
"""


def test_many_threads_can_decode_the_first_record_at_once() -> None:
    lines = b"\n".join(record(f"{number:016d}") for number in range(5))
    for _ in range(4):
        done = subprocess.run([sys.executable, "-c", CHILD], input=lines, capture_output=True, cwd=ROOT, check=False)
        assert (done.returncode, done.stdout) == (0, b"40\n"), done.stderr.decode()

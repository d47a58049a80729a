"""Many targets of which half never answer: the round takes no more descriptors and memory than a small one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.faults.whole import LONG, kept
from tests.schedules.lab import Lab, rows

pytestmark = pytest.mark.slow

TARGETS = 10_000 if LONG else 300
CONCURRENCY = 64
MOST_FILES = 6 * CONCURRENCY + 64
"""A target at a time has two questions open, to its resolver or two trusted ones, or a connection."""
MOST_KIB = 400_000 if LONG else 250_000


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files cannot be counted here")
async def test_many_targets_of_which_half_time_out_need_bounded_descriptors_and_memory(lab: Lab) -> None:
    silent = lab.net.add_site("silent.x.test", connect="unanswered")
    urls = [f"{site.url}{number}" for number in range(TARGETS // 2) for site in (lab.good, silent)]
    listed = lab.folder / "targets.txt"
    listed.write_text("\n".join(urls) + "\n")
    lab.configure(f'\n[[campaign]]\nname = "many"\nlist = {json.dumps(str(listed))}\n')
    text = (lab.folder / "c.toml").read_text().replace('[control]\npath = "control"', "")
    text = text.replace("timeout_s = 5", f"timeout_s = 0.5\nper_address = {CONCURRENCY}\nconcurrency = {CONCURRENCY}")
    (lab.folder / "c.toml").write_text(text)
    process = await lab.start("run", "--json")
    communicating = asyncio.create_task(process.communicate())
    files, memory = 0, 0
    while not communicating.done():
        files, memory = max(files, _files(process.pid)), max(memory, _peak_kib(process.pid))
        await asyncio.sleep(0.05)
    out, said = communicating.result()
    assert process.returncode == 0, said
    found = rows(out.decode())
    assert sorted(row["target"] for row in found) == sorted(urls)
    assert {row["measurement_id"] for row in found} <= kept(lab.db)
    assert 0 < files < MOST_FILES
    assert 0 < memory < MOST_KIB


def _files(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0  # it has ended


def _peak_kib(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)

"""Fuzzes the readers of foreign bytes: `python -m tests.fuzz [TARGET…] [--seconds N]`.

What crashes, is too slow or takes too much memory is left in `tests/fuzz/corpus/TARGET/`, where the default tests
find it (`tests/fuzz/test_corpus.py`): mend the program and commit both. Needs the extra `fuzz`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import traceback
from functools import partial
from pathlib import Path

from tests.fuzz.oracle import LONG_BYTES, try_input
from tests.fuzz.targets import NAMES

CORPUS = Path(__file__).parent / "corpus"
MAX_INPUT_BYTES = 8192
MAX_MEMORY_MB = 1024
TIMEOUT_S = 20
FAILED = 77
SPARE_S = 120
"""For the start and the end of a run."""


def fuzz(name: str, seconds: float, seed: int, work: Path) -> None:
    """Fuzz one target in this process, which libFuzzer ends."""
    import atheris

    # What is instrumented is known before the target is imported, which then must not be loaded yet.
    with atheris.instrument_imports(include=list(instrumented(name))):
        from tests.fuzz.targets import target

        chosen = target(name)
    for number, first in enumerate(chosen.SEEDS):
        (work / f"seed{number}").write_bytes(first)
    corpus = CORPUS / name
    corpus.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={seconds:.0f}",
        f"-seed={seed}",
        f"-max_len={MAX_INPUT_BYTES}",
        f"-timeout={TIMEOUT_S}",
        f"-rss_limit_mb={MAX_MEMORY_MB}",
        f"-artifact_prefix={corpus}/",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    mutate = getattr(chosen, "mutate", None)
    arguments = [sys.argv[0], *options, str(work), str(corpus)]
    how = {"custom_mutator": mutate} if mutate else {}
    try:
        atheris.Setup(arguments, partial(try_input, chosen.check), **how)
        atheris.Fuzz()
    except BaseException:
        traceback.print_exc()
    finally:  # with a mutator in Python it would wait for the interpreter's lock for ever at an ordinary exit
        sys.stderr.flush()
        os._exit(FAILED)


def instrumented(name: str) -> tuple[str, ...]:
    """The packages that a target names, read from its text."""
    import ast

    tree = ast.parse((Path(__file__).parent / "targets" / f"{name}.py").read_text("utf-8"))
    found = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "INSTRUMENT"
    ]
    return tuple(found[0])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(NAMES)}; all by default")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target (default 60)")
    parser.add_argument("--seed", type=int, default=0, help="the same mutations each time; 0: others each time")
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if unknown := set(given.targets) - set(NAMES):
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    if given.here is not None:
        fuzz(given.targets[0], given.seconds, given.seed, given.here)
    failed = [name for name in given.targets or NAMES if not _run(name, given.seconds, given.seed)]
    print(f"\nfuzzed {len(given.targets or NAMES)} targets; failed: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


def _run(name: str, seconds: float, seed: int) -> bool:
    """Whether a target was fuzzed for its time in a process of its own and nothing was found."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as work:
        command = [sys.executable, "-m", "tests.fuzz", name, "--seconds", str(seconds), "--seed", str(seed)]
        log = Path(work) / "log"
        (Path(work) / "inputs").mkdir()
        with log.open("wb") as out:
            try:
                done = subprocess.run(
                    [*command, "--here", f"{work}/inputs"],
                    stdout=out,
                    stderr=out,
                    check=False,
                    cwd=CORPUS.parents[2],
                    timeout=seconds + SPARE_S,
                ).returncode
            except subprocess.TimeoutExpired:
                done = FAILED
        said = log.read_text("utf-8", "replace").splitlines()
        inputs = len(list((Path(work) / "inputs").iterdir()))
    runs = next((line.split()[-1] for line in said if "number_of_executed_units" in line), "?")
    took = time.monotonic() - began
    print(f"{name}: {runs} inputs in {took:.0f} s, {inputs} of them new to it, exit {done}", flush=True)
    if done:
        print("\n".join([line for line in said if not line.startswith(("INFO", "WARNING"))][-40:]), flush=True)
    return done == 0


assert LONG_BYTES > MAX_INPUT_BYTES
if __name__ == "__main__":
    raise SystemExit(main())

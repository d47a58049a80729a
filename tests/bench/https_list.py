"""A list of HTTPS targets with distinct names: `reachprobe check` beside `curl --parallel`, in the same run.

    python -m tests.bench.https_list [--targets 500] [--concurrency 64] [--runs 3] [--json FILE]

CPU is user plus system of each whole process, so reachprobe's start, its two DNS queries a name, its rules and its
database are all in it; curl is handed the addresses and stores nothing. Ratios are taken pair by pair.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench import servers

SMALL = 100
"""The short list: what a target adds is the slope from here to the whole list."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", type=int, default=500)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        with servers.serving(folder) as ca_file:
            runs = [_pair(folder, ca_file, options.targets, options.concurrency) for _ in range(options.runs)]
    result = _summary(runs, options.targets, options.concurrency)
    print(_table(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))


def _pair(folder: Path, ca_file: Path, targets: int, concurrency: int) -> dict[str, dict[str, float]]:
    measured = {}
    for tool, command in (("reachprobe", _reachprobe), ("curl", _curl)):
        small = _run(command(folder, ca_file, SMALL, concurrency), SMALL, folder)
        whole = _run(command(folder, ca_file, targets, concurrency), targets, folder)
        added = (whole["cpu_s"] - small["cpu_s"]) / (targets - SMALL)
        measured[tool] = whole | {
            "cpu_ms_per_target": 1000 * whole["cpu_s"] / targets,
            "cpu_ms_per_added_target": 1000 * added,
        }
    return measured


def _reachprobe(folder: Path, ca_file: Path, targets: int, concurrency: int) -> list[str]:
    config = folder / "config.toml"
    config.write_text(
        f"""[network]
resolvers = ["udp://{servers.RESOLVER}:5353"]
trusted_resolvers = []
canaries = ["https://{servers.name(9999)}:{servers.PORT}/"]
no_resolver = ""
ca_file = "{ca_file}"
allow_private = true
concurrency = {concurrency}
per_address = {concurrency}
"""
    )
    database = folder / "bench.db"
    for leftover in folder.glob("bench.db*"):
        leftover.unlink()
    program = Path(sys.executable).with_name("reachprobe")
    urls = [f"https://{servers.name(n)}:{servers.PORT}/" for n in range(targets)]
    return [str(program), "--config", str(config), "--db", str(database), "check", "--json", *urls]


def _curl(folder: Path, ca_file: Path, targets: int, concurrency: int) -> list[str]:
    config = folder / "curl.cfg"
    lines = [f'cacert = "{ca_file}"', "no-keepalive"]
    for n in range(targets):
        lines.append(f'resolve = "{servers.name(n)}:{servers.PORT}:{servers.address(n)}"')
    for n in range(targets):
        lines += [f'url = "https://{servers.name(n)}:{servers.PORT}/"', 'output = "/dev/null"']
    config.write_text("\n".join(lines))
    write_out = "%{http_code}\\n"
    return ["curl", "-sS", "--parallel", "--parallel-max", str(concurrency), "-w", write_out, "-K", str(config)]


def _run(command: list[str], targets: int, folder: Path) -> dict[str, float]:
    environment = os.environ | {"REACHPROBE_CONSENT": "yes", "STATE_DIRECTORY": str(folder)}
    with (folder / "out").open("w+") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.stderr is not None
        complaint = process.stderr.read().decode()
        process.stderr.close()
        out.seek(0)
        good = sum(line.startswith("200") or '"outcome":"reachable"' in line.replace(" ", "") for line in out)
    if good != targets:
        raise RuntimeError(f"{command[0]} got {good} of {targets} pages, exit {process.returncode}: {complaint[-500:]}")
    return {"cpu_s": usage.ru_utime + usage.ru_stime, "memory_mb": usage.ru_maxrss / 1024}


def _summary(runs: list[dict[str, dict[str, float]]], targets: int, concurrency: int) -> dict[str, object]:
    tools = {
        tool: {figure: statistics.median(run[tool][figure] for run in runs) for figure in runs[0][tool]}
        for tool in runs[0]
    }
    figures = ("cpu_ms_per_target", "cpu_ms_per_added_target")
    ratios = {f: statistics.median(run["reachprobe"][f] / run["curl"][f] for run in runs) for f in figures}
    return {"targets": targets, "concurrency": concurrency, "runs": len(runs), "tools": tools, "ratios": ratios}


def _table(result: dict[str, object]) -> str:
    tools, ratios = result["tools"], result["ratios"]
    assert isinstance(tools, dict)
    assert isinstance(ratios, dict)
    lines = [
        f"{result['targets']} HTTPS targets, concurrency {result['concurrency']}, median of {result['runs']} runs",
        "",
        "| program | CPU ms per target | CPU ms per added target | peak memory MB |",
        "|---|---|---|---|",
    ]
    for tool, figure in tools.items():
        lines.append(
            f"| {tool} | {figure['cpu_ms_per_target']:.2f} | {figure['cpu_ms_per_added_target']:.2f} "
            f"| {figure['memory_mb']:.0f} |"
        )
    whole, added = ratios["cpu_ms_per_target"], ratios["cpu_ms_per_added_target"]
    return "\n".join([*lines, f"| ratio | {whole:.2f} | {added:.2f} | |"])


if __name__ == "__main__":
    main()

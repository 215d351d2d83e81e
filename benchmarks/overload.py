"""python benchmarks/overload.py

Offer the agent from a tenth to three times as many tickets as it can answer, and print what it answers.

The capacity is measured first, with as many clients as benchmarks/agent.py has at most. Then tickets arrive at an even
pace that does not slow down when the agent does, each pace for --seconds. What it cannot answer it should refuse at
once, and go on answering as many as it can: its goodput. Rates are those until the last answer. Agent, model service
and client share the cores.
"""

import argparse
import asyncio
import contextlib
import csv
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict, deque
from pathlib import Path
from typing import NamedTuple

from _path import ROOT
from agent import make_peers
from callcenterai.core.cli import run
from serving import CLIENTS, TICKETS, encode_request, send_load, wait_until_ready

SHARES = (0.1, 0.5, 0.8, 1.0, 1.5, 2.0, 3.0)
HEADER = ("offered", "offered a second", "answered a second", "refused a second", "p50, p99 of the answers (ms)")


class Connection(NamedTuple):
    """An open connection to the agent."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


def main(argv: list[str] | None = None) -> int:
    """Measure and print the table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "tfidf", help="folder; default: models/tfidf")
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "processed", help="default: data/processed")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each pace; default: %(default)s")
    args = parser.parse_args(argv)
    return run(lambda: measure_overload(args))


def measure_overload(args: argparse.Namespace) -> None:
    """Measure each pace and print its row."""
    import uvloop

    with (args.data / "test.csv").open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)][:TICKETS]
    with contextlib.ExitStack() as stack:
        agent = make_peers(args.model.resolve(), stack)[1]
        variables = os.environ | {"PORT": str(agent.port)} | agent.environment
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(agent.command, cwd=ROOT, env=variables, **quiet)
        stack.callback(process.wait)
        stack.callback(process.kill)
        wait_until_ready(f"http://127.0.0.1:{agent.port}{agent.ready_path}", process)
        requests = [encode_request(agent, text) for text in texts]
        uvloop.run(send_load(agent.port, requests, 8, 1.0))
        capacity, _, _ = uvloop.run(send_load(agent.port, requests, CLIENTS[-1], args.seconds))
        print(f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}", flush=True)
        for share in SHARES:
            print_row(share, uvloop.run(offer(agent.port, requests, share * capacity, args.seconds)))


class Outcome(NamedTuple):
    """What became of the requests: the pace and duration in seconds, and latencies in seconds by status."""

    pace: float
    seconds: float
    latencies: dict[int, list[float]]


async def offer(port: int, requests: list[bytes], pace: float, seconds: float) -> Outcome:
    """Send so many requests a second, whatever becomes of them."""
    latencies: dict[int, list[float]] = defaultdict(list)
    idle: deque[Connection] = deque()
    started = time.perf_counter()

    async def ask(request: bytes) -> None:
        connection = idle.pop() if idle else Connection(*await asyncio.open_connection("127.0.0.1", port))
        asked = time.perf_counter()
        connection.writer.write(request)
        head = await connection.reader.readuntil(b"\r\n\r\n")
        await connection.reader.readexactly(int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]))
        latencies[int(head.split(b" ", 2)[1])].append(time.perf_counter() - asked)
        idle.append(connection)

    tasks = []
    for number in range(int(pace * seconds)):
        await asyncio.sleep(started + number / pace - time.perf_counter())
        tasks.append(asyncio.create_task(ask(requests[number % len(requests)])))
    await asyncio.gather(*tasks)
    ended = time.perf_counter()
    for connection in idle:
        connection.writer.close()
    return Outcome(pace, ended - started, latencies)


def print_row(share: float, found: Outcome) -> None:
    """Print a row of the table; a RuntimeError when the agent answered anything but 200 and 503."""
    if others := set(found.latencies) - {200, 503}:
        raise RuntimeError(f"the agent answered {sorted(others)}")
    answered = [1000 * latency for latency in found.latencies.get(200, [])]
    cuts = statistics.quantiles(answered, n=100) if len(answered) > 1 else [float("nan")] * 99
    refused = len(found.latencies.get(503, []))
    rates = [f"{rate:,.0f}" for rate in (found.pace, len(answered) / found.seconds, refused / found.seconds)]
    print(f"| {share:.0%} | {' | '.join(rates)} | {cuts[49]:.1f}, {cuts[98]:.1f} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())

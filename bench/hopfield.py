"""Recall in a Hopfield memory against PyTorch and NumPy: rivals in the same run, alternately, each in its own process.

    python bench/hopfield.py [--units 10000] [--patterns 1000] [--rounds 9] [--threads 2] [--json FILE]

Needs the packages of bench/requirements.txt (torch, numpy) and 8 N^2 bytes. Builds the Rust side itself (release). A pattern
with a tenth of its units flipped is recalled to a fixed point; every recall of every rival must end within 1 % of the
stored pattern, or the bench ends.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent


class Worker:
    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"bench: {command}: the worker ended")
        answer = json.loads(line)
        assert answer["overlap"] > 0.99, f"{command} ended at overlap {answer['overlap']}"
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=10000)
    parser.add_argument("--patterns", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json")
    options = parser.parse_args()
    build = ["cargo", "build", "--release", "--package", "attractor", "--example", "recall_worker"]
    subprocess.run(build, cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    binary = str(target / "release/examples/recall_worker")
    os.environ.update({"OMP_NUM_THREADS": str(options.threads), "MKL_NUM_THREADS": str(options.threads), "OPENBLAS_NUM_THREADS": str(options.threads)})
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    with open("/proc/cpuinfo") as cpu:
        model = next((line.split(":")[1].strip() for line in cpu if line.startswith("model name")), platform.processor())
    toolchain = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.strip()
    results = {"commit": commit, "cpu": model, "cores": os.cpu_count(), "rustc": toolchain}
    results |= {"threads": options.threads, "units": options.units, "patterns": options.patterns}
    with tempfile.TemporaryDirectory() as name:
        random = np.random.default_rng(0)
        stored = random.integers(0, 2, (options.patterns, options.units), dtype=np.int8) * 2 - 1
        cue = stored[0].copy()
        cue[random.permutation(options.units)[: options.units // 10]] *= -1
        stored.tofile(f"{name}/patterns.bin")
        cue.tofile(f"{name}/cue.bin")
        arguments = [name, str(options.units), str(options.patterns), str(options.threads)]
        script = str(Path(__file__).with_name("hopfield_worker.py"))
        ours = Worker([binary, *arguments])
        torch, numpy = (Worker([sys.executable, script, *arguments, library]) for library in ("torch", "numpy"))
        calls = [(ours, "attractor", way) for way in ("asynchronous", "sequential", "synchronous")]
        calls += [(torch, "torch", way) for way in ("document", "weights", "overlaps")]
        calls += [(numpy, "numpy", way) for way in ("weights", "overlaps")]
        times, last = {}, {}
        for round_ in range(options.rounds + 1):
            for worker, who, way in calls:
                # OpenMP's threads spin for a while after a call: let them rest, so that nobody times a neighbour.
                time.sleep(0.3)
                answer = worker.ask(way)
                last[f"{who} {way}"] = {key: value for key, value in answer.items() if key != "ms"}
                # The first round builds the weights and warms up.
                if round_:
                    times.setdefault(f"{who} {way}", []).append(answer["ms"])
        for worker in (ours, torch, numpy):
            worker.close()
    medians = {call: statistics.median(values) for call, values in times.items()}
    results["median_ms"] = medians
    results["range_ms"] = {call: [min(values), max(values)] for call, values in times.items()}
    results["last"] = last
    # Synchronous is the rivals' own dynamics; asynchronous is the one whose energy falls.
    for way in ("synchronous", "asynchronous"):
        own = medians[f"attractor {way}"]
        results[f"rival_over_{way}"] = {call: ms / own for call, ms in medians.items() if not call.startswith("attractor")}
    # Patterns by pattern and by unit, a bit each.
    results["pattern_bytes"] = 2 * options.units * options.patterns // 8
    print(json.dumps(results, indent=1))
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1) + "\n")


main()

"""Streaming attention statistics against PyTorch: rivals in the same run, alternately, each in its own process.

    python bench/attention.py [--rounds 9] [--threads 2] [--lengths 1024 4096] [--json FILE]

Needs the packages of bench/requirements.txt (torch 2.15, numpy). Builds the Rust side itself (release). Every
answer is checked against PyTorch's before anything is timed; a wrong answer ends the bench.
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
HEADS, WIDTH = 8, 64
# Largest absolute difference from PyTorch, f32 against f32; participation and column mass are relative.
TOLERANCE = {"log_sum_exp": 1e-4, "entropy": 2e-4, "participation": 1e-3, "mass": 1e-4, "distance": 1e-2, "column": 1e-3}


class Worker:
    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"bench: {command}: the worker ended")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def check(folder, n, bins):
    """Compares the two answer files, statistic by statistic."""
    ours, theirs = (np.fromfile(folder / f"{who}.answers", dtype=np.float32) for who in ("ours", "torch"))
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    names = ["log_sum_exp", "entropy", "participation", "mass", "mass", "mass", "mass", "mass", "argmax", "mass", "mass"]
    worst, at = {}, 0
    for _ in range(HEADS):
        for name in names:
            a, b = ours[at : at + n], theirs[at : at + n]
            at += n
            if name == "argmax":
                differs = float(np.mean(a != b))
                worst[name] = max(worst.get(name, 0), differs)
                assert differs < 1e-3, f"argmax differs in {differs:.2%} of rows"
                continue
            error = np.abs(a - b) / (np.abs(b) if name == "participation" else 1)
            worst[name] = max(worst.get(name, 0), float(error.max()))
            assert error.max() <= TOLERANCE[name], f"{name}: off by {error.max()}"
        for name, size in (("distance", bins), ("column", n)):
            a, b = ours[at : at + size], theirs[at : at + size]
            at += size
            error = float(np.max(np.abs(a - b) / np.maximum(1, np.abs(b))))
            worst[name] = max(worst.get(name, 0), error)
            assert error <= TOLERANCE[name], f"{name}: off by {error}"
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--lengths", type=int, nargs="+", default=[1024, 4096])
    parser.add_argument("--long", type=int, default=131072, help="keys of the one-head memory check; 0: leave it out")
    parser.add_argument("--json")
    options = parser.parse_args()
    subprocess.run(["cargo", "build", "--release", "--package", "attractor", "--example", "bench_worker"], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    binary = str(target / "release/examples/bench_worker")
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads), "MKL_NUM_THREADS": str(options.threads)}
    os.environ.update(environment)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    with open("/proc/cpuinfo") as cpu:
        model = next((line.split(":")[1].strip() for line in cpu if line.startswith("model name")), platform.processor())
    toolchain = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.strip()
    results = {"commit": commit, "cpu": model, "cores": os.cpu_count(), "rustc": toolchain, "threads": options.threads, "lengths": {}}
    for n in options.lengths:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            random = np.random.default_rng(0)
            for x in "qkv":
                random.standard_normal((HEADS, n, WIDTH), dtype=np.float32).tofile(folder / f"{x}.bin")
            arguments = [str(folder), str(HEADS), str(n), str(WIDTH), str(options.threads)]
            ours = Worker([binary, *arguments])
            script = str(Path(__file__).with_name("torch_worker.py"))
            # The scripts hold N x N maps: their own process, so that attention alone is measured in a clean one.
            fused, torch = (Worker([sys.executable, script, *arguments]) for _ in range(2))
            ours.ask(f"answers {folder}/ours.answers")
            torch.ask(f"answers {folder}/torch.answers")
            worst = check(folder, n, 32)
            calls = [(ours, "core"), (fused, "sdpa"), (ours, "all"), (fused, "sdpa"), (ours, "retrieve"), (torch, "batched"), (torch, "perhead"), (torch, "inplace")]
            times = {}
            for round_ in range(options.rounds + 1):
                for worker, command in calls:
                    if worker is torch and round_ > max(3, options.rounds // 3):
                        continue  # the scripts are slow and steady: fewer rounds
                    # OpenMP's threads spin for a while after a call: let them rest, so that nobody times a neighbour.
                    time.sleep(0.3)
                    answer = worker.ask(command)
                    if round_:
                        times.setdefault(command, []).append(answer["ms"])
                    results["torch"] = answer.get("torch", results.get("torch"))
            for worker in (ours, fused, torch):
                worker.close()
            # Memory of one call in a fresh process, over what it held before.
            memory = {}
            for command in ("core", "all", "retrieve", "sdpa", "inplace"):
                worker = Worker([binary, *arguments] if command in ("core", "all", "retrieve") else [sys.executable, script, *arguments])
                answer = worker.ask(command)
                memory[command] = answer["peak_kib"] - answer["loaded_kib"]
                worker.close()
        medians = {command: statistics.median(values) for command, values in times.items()}
        fastest = min(medians[variant] for variant in ("batched", "perhead", "inplace"))
        # Two flops a multiply-add, half the map, as the least work of one pass over the scores.
        flops = HEADS * n * n / 2 * WIDTH * 2
        results["lengths"][n] = {
            "median_ms": medians,
            "range_ms": {command: [min(values), max(values)] for command, values in times.items()},
            "core_over_sdpa": medians["core"] / medians["sdpa"],
            "all_over_sdpa": medians["all"] / medians["sdpa"],
            "retrieve_over_sdpa": medians["retrieve"] / medians["sdpa"],
            "script_over_core": fastest / medians["core"],
            "core_score_gflops": flops / medians["core"] / 1e6,
            "extra_mib": {command: kib / 1024 for command, kib in memory.items()},
            "largest_errors": worst,
        }
    if options.long:
        with tempfile.TemporaryDirectory() as name:
            random = np.random.default_rng(0)
            for x in "qkv":
                random.standard_normal((1, options.long, WIDTH), dtype=np.float32).tofile(Path(name) / f"{x}.bin")
            worker = Worker([binary, name, "1", str(options.long), str(WIDTH), str(options.threads)])
            answer = worker.ask("core")
            worker.close()
            results["long"] = {"keys": options.long, "ms": answer["ms"], "process_peak_mib": answer["peak_kib"] / 1024}
    print(json.dumps(results, indent=1))
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1) + "\n")


main()

"""A CD-1 step of a restricted Boltzmann machine against PyTorch and scikit-learn: rivals in the same run, alternately,
each in its own process.

    python bench/rbm.py [--rounds 15] [--steps 40] [--threads 2] [--sklearn-python PYTHON] [--json FILE]

Needs torch and numpy in this interpreter, scikit-learn in this or the named one. Builds the Rust side itself (release).
Before anything is timed, every contender takes the same 200 steps from the same weights, and what they learnt is compared:
they draw different random numbers, so means over many steps must agree, not bits.
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
VISIBLE, HIDDEN, BATCH, ROWS = 784, 500, 128, 1280
# Of the mean field on the data, between contenders that draw different numbers.
TOLERANCE = 0.01


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


def learnt(path, data):
    """What a dump knows: reconstruction error and mean hidden activation on the data."""
    numbers = np.fromfile(path, dtype=np.float32).astype(np.float64)
    w = numbers[: VISIBLE * HIDDEN].reshape(VISIBLE, HIDDEN)
    a, b = numbers[VISIBLE * HIDDEN :][:VISIBLE], numbers[VISIBLE * HIDDEN + VISIBLE :]
    sigmoid = lambda x: 1 / (1 + np.exp(-x))
    h = sigmoid(data @ w + b)
    return np.array([np.mean((sigmoid(h @ w.T + a) - data) ** 2), h.mean()])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sklearn-python", default=sys.executable)
    parser.add_argument("--json")
    options = parser.parse_args()
    subprocess.run(["cargo", "build", "--release", "--package", "attractor", "--example", "rbm_worker"], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    binary = str(target / "release/examples/rbm_worker")
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(options.threads)
    random = np.random.default_rng(0)
    # Blocks of pixels that go together, so that there is something to learn.
    causes = random.random((ROWS, 28)) < 0.3
    data = (random.random((ROWS, VISIBLE)) < np.where(np.repeat(causes, 28, axis=1), 0.8, 0.1)).astype(np.float32)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data.tofile(folder / "data.bin")
        (0.01 * random.standard_normal((VISIBLE, HIDDEN), dtype=np.float32)).tofile(folder / "weights.bin")
        arguments = [str(folder), str(ROWS), str(VISIBLE), str(HIDDEN), str(BATCH), str(options.threads)]
        script = str(Path(__file__).with_name("rbm_worker.py"))
        workers = {
            "ours": Worker([binary, *arguments, "0"]),
            "ours_centred": Worker([binary, *arguments, "1"]),
            "tuned": Worker([sys.executable, script, "tuned", *arguments]),
            "stacked": Worker([sys.executable, script, "stacked", *arguments]),
            "plain": Worker([sys.executable, script, "plain", *arguments]),
            "sklearn": Worker([options.sklearn_python, script, "sklearn", *arguments]),
        }
        versions = {}
        facts = {}
        for who, worker in workers.items():
            versions[who] = worker.ask("steps 200").get("version")
            worker.ask(f"dump {folder}/{who}.answers")
            facts[who] = learnt(folder / f"{who}.answers", data)
        for who in ("ours", "stacked", "plain"):
            off = np.abs(facts[who] - facts["tuned"])
            assert (off <= TOLERANCE).all(), f"{who} learnt something else: {facts[who]} against {facts['tuned']}"
        times = {who: [] for who in (*workers, "products")}
        calls = [*((who, worker, "steps") for who, worker in workers.items()), ("products", workers["ours"], "products")]
        for round_ in range(options.rounds + 1):
            for who, worker, command in calls:
                steps = max(4, options.steps // 4) if who in ("plain", "sklearn") else options.steps
                # OpenMP's threads spin for a while after a call: let them rest, so that nobody times a neighbour.
                time.sleep(0.25)
                answer = worker.ask(f"{command} {steps}")
                if round_:
                    times[who].append(answer["ms"] / steps)
        for worker in workers.values():
            worker.close()
    medians = {who: statistics.median(values) for who, values in times.items()}
    fastest = min(medians["tuned"], medians["stacked"])
    with open("/proc/cpuinfo") as cpu:
        model = next((line.split(":")[1].strip() for line in cpu if line.startswith("model name")), platform.processor())
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    results = {
        "commit": commit,
        "cpu": model,
        "cores": os.cpu_count(),
        "threads": options.threads,
        "rustc": subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.strip(),
        "torch": versions["tuned"],
        "sklearn": versions["sklearn"],
        "shape": [VISIBLE, HIDDEN, BATCH],
        "learnt_reconstruction_and_activation": {who: [float(x) for x in fact] for who, fact in facts.items()},
        "median_ms": medians,
        "range_ms": {who: [min(values), max(values)] for who, values in times.items()},
        "best_ms": {who: min(values) for who, values in times.items()},
        "tuned_over_ours": medians["tuned"] / medians["ours"],
        "fastest_torch_over_ours": fastest / medians["ours"],
        "fastest_torch_over_ours_best": min(min(times["tuned"]), min(times["stacked"])) / min(times["ours"]),
        "tuned_over_ours_best": min(times["tuned"]) / min(times["ours"]),
        "plain_over_ours": medians["plain"] / medians["ours"],
        "sklearn_over_ours": medians["sklearn"] / medians["ours"],
        "ours_over_products": medians["ours"] / medians["products"],
        "product_gflops": 5 * 2 * VISIBLE * HIDDEN * BATCH / medians["products"] / 1e6,
    }
    print(json.dumps(results, indent=1))
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1) + "\n")


main()

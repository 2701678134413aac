"""Simulated annealing against dwave-samplers: the same graphs, sweeps, temperatures and rule, in the same run, alternately,
each in its own process on one thread.

    python bench/anneal.py [--rounds 5] [--reads 64] [--sweeps 1000] [--draws 20] [--json FILE]

Needs the packages of bench/requirements-anneal.txt. Builds the Rust side itself (release). Every energy of both sides is
computed again by numpy from the states; a wrong one ends the bench. Temperatures fall geometrically between those of the table
below, for both sides alike; where quality is compared, the rival runs at its own default range too; in 3 each side runs at its own.

1. Speed (single-spin updates a second): a random graph of 800 nodes and 19176 edges +-1, a torus of 800 nodes +-1, both
   the shape of Gset graphs, and a Sherrington-Kirkpatrick glass of 256 spins.
2. Quality at equal sweeps: mean energy of the last states, best of all reads, over draws of Sherrington-Kirkpatrick
   glasses and of planted instances, whose ground energy is known.
3. Default temperatures: mean cut of all reads, and mean over rounds of the best cut of a round's reads, at equal sweeps, on
   graphs with hubs, one heavy edge, heavy-tailed weights, and plain ones. Every answer of ours must be a local optimum.
"""

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
# From about twice the temperature at which order sets in, to where hardly a unit turns.
RANDOM, TORUS, GLASS, PLANTED = (15.0, 0.4), (4.0, 0.2), (2.0, 0.05), (6.0, 0.2)


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


class Graph:
    """A graph of both sides: its file, and its energy in numpy."""

    def __init__(self, path, nodes=None, edges=None, weights=None):
        self.path = path
        if nodes is not None:
            lines = [f"{nodes} {len(edges)}", *(f"{i + 1} {j + 1} {w!r}" for (i, j), w in zip(edges, weights))]
            path.write_text("\n".join(lines) + "\n")
        rows = path.read_text().split("\n")
        self.nodes = int(rows[0].split()[0])
        table = np.array([row.split() for row in rows[1:] if row], dtype=np.float64)
        self.i, self.j, self.w = table[:, 0].astype(int) - 1, table[:, 1].astype(int) - 1, table[:, 2]

    def check_local_optima(self, states):
        """No single flip of any state lowers its energy, to the rounding of the sums."""
        fields, sizes = np.zeros(states.shape), np.zeros(self.nodes)
        for i, j, w in zip(self.i, self.j, self.w):
            fields[:, i] += w * states[:, j]
            fields[:, j] += w * states[:, i]
            sizes[[i, j]] += abs(w)
        assert (states * fields <= 1e-12 * sizes).all(), "a flip would improve an answer"

    def energies(self, file):
        states = np.fromfile(file, dtype=np.int8).reshape(-1, self.nodes)
        assert np.isin(states, (-1, 1)).all()
        return (states[:, self.i].astype(np.float64) * states[:, self.j]) @ self.w


def weights(random, count):
    return [int(w) for w in random.choice([-1, 1], count)]


def torus(rows, columns):
    site = lambda r, c: r % rows * columns + c % columns
    cells = [(r, c) for r in range(rows) for c in range(columns)]
    return [(site(r, c), site(*n)) for r, c in cells for n in ((r, c + 1), (r + 1, c))]


def families(random):
    """Graphs by name: nodes, edges, weights."""
    ones = lambda edges: [1] * len(edges)
    path = [(i, i + 1) for i in range(199)]
    star = [(0, leaf) for leaf in range(1, 1001)]
    users = [(0, 101 + user) for user in range(500)] + [(1 + int(random.integers(100)), 101 + user) for user in range(500)]

    def sparse(nodes, count):
        pairs = np.array([(i, j) for i in range(nodes) for j in range(i + 1, nodes)])
        return [(int(i), int(j)) for i, j in pairs[random.choice(len(pairs), count, replace=False)]]

    real = lambda values: [float(w) for w in values]
    # Preferential attachment (Barabasi and Albert): three edges of each new node, ends drawn from the ends there are.
    ends, attached = [0, 1, 2], []
    for node in range(3, 1000):
        chosen = set()
        while len(chosen) < 3:
            chosen.add(ends[int(random.integers(len(ends)))])
        attached += [(other, node) for other in sorted(chosen)]
        ends += [*chosen, node, node, node]
    grid, drawn = torus(24, 24), [sparse(500, 2000) for _ in range(4)]
    return {
        "star, 1000 leaves": (1001, star, ones(star)),
        "path of 200 beside an edge of 1000": (202, [*path, (200, 201)], [*ones(path), 1000]),
        "path of 200 through an edge of 1000": (201, [(i, i + 1) for i in range(200)], [1000 if i == 100 else 1 for i in range(200)]),
        "500 users of a hub and one of 100 others": (601, users, ones(users)),
        "preferential attachment, 1000 nodes": (1000, attached, ones(attached)),
        "Cauchy weights, 500 nodes": (500, drawn[0], real(random.standard_cauchy(2000))),
        "Pareto weights, exponent 1": (500, drawn[1], real(random.pareto(1.0, 2000) + 1)),
        "Pareto weights, exponent 1/2": (500, drawn[2], real(random.pareto(0.5, 2000) + 1)),
        "log-normal weights of either sign, sigma 3": (500, drawn[3], real(random.lognormal(0, 3, 2000) * random.choice([-1, 1], 2000))),
        "torus 24 x 24, normal weights": (576, grid, real(random.standard_normal(len(grid)))),
        "torus 20 x 40, +-1": (800, torus(20, 40), weights(random, 1600)),
    }


def glass(path, nodes, seed):
    edges = [(i, j) for i in range(nodes) for j in range(i + 1, nodes)]
    values = np.random.default_rng(seed).standard_normal(len(edges)) / math.sqrt(nodes)
    return Graph(path, nodes, edges, [float(w) for w in values])


def checked(graph, folder, side, answer, reads):
    """Holds what a side says to what its states are; the last states' energies."""
    energies = graph.energies(folder / side)
    last, best = energies[:reads], energies[reads:] if len(energies) > reads else energies
    scale = max(1.0, abs(answer["best"])) * 1e-9
    assert abs(last.mean() - answer["mean_last"]) < scale, (side, last.mean(), answer)
    assert abs(best.min() - answer["best"]) < scale, (side, best.min(), answer)
    return last


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--reads", type=int, default=64)
    parser.add_argument("--sweeps", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--json")
    options = parser.parse_args()
    reads, sweeps = options.reads, options.sweeps
    subprocess.run(["cargo", "build", "--release", "--package", "attractor", "--example", "anneal_worker"], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    binary = str(target / "release/examples/anneal_worker")
    os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    with open("/proc/cpuinfo") as cpu:
        model = next((line.split(":")[1].strip() for line in cpu if line.startswith("model name")), platform.processor())
    toolchain = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.strip()
    results = {"commit": commit, "cpu": model, "cores": os.cpu_count(), "rustc": toolchain, "reads": reads, "sweeps": sweeps}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script = str(Path(__file__).with_name("dwave_worker.py"))

        def sides(graph, start, end):
            ours = Worker([binary, str(graph.path), str(start), str(end), "1"])
            return ours, Worker([sys.executable, script, str(graph.path)])

        random = np.random.default_rng(0)
        pairs = np.array([(i, j) for i in range(800) for j in range(i + 1, 800)])
        chosen = [(int(i), int(j)) for i, j in pairs[random.choice(len(pairs), 19176, replace=False)]]
        grid = torus(20, 40)
        graphs = {
            "random 800, 19176 edges": (Graph(folder / "random", 800, chosen, weights(random, 19176)), *RANDOM),
            "torus 800": (Graph(folder / "torus", 800, grid, weights(random, 1600)), *TORUS),
            "Sherrington-Kirkpatrick 256": (glass(folder / "glass", 256, 1000), *GLASS),
        }
        results["speed"] = {}
        for title, (graph, start, end) in graphs.items():
            ours, rival = sides(graph, start, end)
            answers = {"ours": [], "one read": [], "rival": []}
            last = {"ours": [], "one read": [], "rival": []}
            for round_ in range(options.rounds + 1):
                asked = [
                    ("ours", ours, f"auto {reads} {sweeps} {round_} {folder}/ours", reads),
                    ("one read", ours, f"auto 1 {4 * sweeps} {round_} {folder}/one", 1),
                    ("rival", rival, f"{reads} {sweeps} {round_} {start!r} {end!r} {folder}/rival", reads),
                ]
                for side, worker, command, count in asked:
                    answer = worker.ask(command)
                    energies = checked(graph, folder, Path(command.split("/")[-1]), answer, count)
                    if round_:  # the first is to warm up
                        answers[side].append(answer)
                        last[side].extend(energies)
            ours.close()
            rival.close()
            rates = {side: [a["updates_per_second"] for a in of] for side, of in answers.items()}
            median = {side: statistics.median(of) for side, of in rates.items()}
            results["speed"][title] = {
                "temperatures": [start, end],
                "engine": answers["ours"][0]["engine"],
                "median_updates_per_second": median,
                "range_updates_per_second": {side: [min(of), max(of)] for side, of in rates.items()},
                "ours_over_rival": median["ours"] / median["rival"],
                "one_read_over_rival": median["one read"] / median["rival"],
                "mean_last": {side: float(np.mean(last[side])) for side in ("ours", "rival")},
                "standard_error_last": {side: float(np.std(last[side], ddof=1) / math.sqrt(len(last[side]))) for side in ("ours", "rival")},
                "best": {side: min(a["best"] for a in answers[side]) for side in ("ours", "rival")},
            }
        results["quality"] = {}
        for title, (start, end) in {"Sherrington-Kirkpatrick 256": GLASS, "planted 24 x 24, 400 loops": PLANTED}.items():
            draws = []
            for draw in range(options.draws):
                path, ground = folder / "draw", None
                if title.startswith("planted"):
                    planted = [binary, "planted", "24", "24", "400", str(draw), str(path)]
                    ground = json.loads(subprocess.run(planted, check=True, capture_output=True, text=True).stdout)["ground"]
                    graph = Graph(path)
                else:
                    graph = glass(path, 256, draw)
                ours, rival = sides(graph, start, end)
                a = ours.ask(f"auto {reads} {sweeps} {draw} {folder}/ours")
                b = rival.ask(f"{reads} {sweeps} {draw} {start!r} {end!r} {folder}/rival")
                default = rival.ask("range")
                c = rival.ask(f"{reads} {sweeps} {draw} {default['start']!r} {default['end']!r} {folder}/default")
                ours.close()
                rival.close()
                for side, answer in (("ours", a), ("rival", b), ("default", c)):
                    checked(graph, folder, side, answer, reads)
                if ground is not None:
                    assert min(a["best"], b["best"], c["best"]) >= ground, "a planted energy is undercut"
                draws.append({"ground": ground, "ours": a, "rival": b, "rival at its default": {**c, **default}})
            gap = [d["ours"]["mean_last"] - d["rival"]["mean_last"] for d in draws]
            best = [d["ours"]["best"] - d["rival"]["best"] for d in draws]
            nodes = graph.nodes
            three = ("ours", "rival", "rival at its default")
            results["quality"][title] = {
                "best_a_spin": {side: statistics.mean(d[side]["best"] for d in draws) / nodes for side in three},
                "mean_last_a_spin": {side: statistics.mean(d[side]["mean_last"] for d in draws) / nodes for side in three},
                "mean_best_a_spin": statistics.mean(d["ours"]["mean_best"] for d in draws) / nodes,
                "last_ours_less_rival": [statistics.mean(gap), statistics.stdev(gap) / math.sqrt(len(gap))] if len(gap) > 1 else gap,
                "best_lower_equal_higher": [sum(x < -1e-9 for x in best), sum(abs(x) <= 1e-9 for x in best), sum(x > 1e-9 for x in best)],
                "ground_reached": None
                if draws[0]["ground"] is None
                else {side: sum(d[side]["best"] == d["ground"] for d in draws) for side in three},
                "seconds": {side: sum(d[side]["seconds"] for d in draws) for side in three},
                "draws": draws,
            }
        results["defaults"] = {}
        for title, (nodes, edges, values) in families(np.random.default_rng(1)).items():
            graph = Graph(folder / "family", nodes, edges, values)
            ours, rival = sides(graph, "default", 0)
            default = rival.ask("range")
            reached = {"ours": [], "rival": []}
            best = {"ours": [], "rival": []}
            seconds = {"ours": [], "rival": []}
            for round_ in range(options.rounds):
                asked = {
                    "ours": (ours, f"auto {reads} {sweeps} {round_} {folder}/ours"),
                    "rival": (rival, f"{reads} {sweeps} {round_} {default['start']!r} {default['end']!r} {folder}/rival"),
                }
                for side, (worker, command) in asked.items():
                    answer = worker.ask(command)
                    checked(graph, folder, side, answer, reads)
                    seconds[side].append(answer["seconds"])
                    energies = graph.energies(folder / side)[-reads:]
                    reached[side].extend((graph.w.sum() - energies) / 2)
                    best[side].append(max(reached[side][-reads:]))
                graph.check_local_optima(np.fromfile(folder / "ours", dtype=np.int8).reshape(-1, nodes)[reads:].astype(np.float64))
            ours.close()
            rival.close()
            results["defaults"][title] = {
                "mean_cut": {side: float(np.mean(of)) for side, of in reached.items()},
                "standard_error": {side: float(np.std(of, ddof=1) / math.sqrt(len(of))) for side, of in reached.items()},
                "mean_best_of_a_round": {side: float(np.mean(of)) for side, of in best.items()},
                "standard_error_best": {side: float(np.std(of, ddof=1) / math.sqrt(len(of))) for side, of in best.items()},
                "median_seconds": {side: statistics.median(of) for side, of in seconds.items()},
                "rival_temperatures": [default["start"], default["end"]],
            }
    shown = {**results, "quality": {k: {a: b for a, b in v.items() if a != "draws"} for k, v in results["quality"].items()}}
    print(json.dumps(shown, indent=1))
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1) + "\n")


main()

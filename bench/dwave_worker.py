"""The rival's side of `bench/anneal.py`: `dwave_worker.py GRAPH` reads a graph in the Gset format, then answers commands on
standard input, one JSON line each: `range` (its own default range of 1 / T) or `READS SWEEPS SEED START END [FILE]`
(anneals between the temperatures, writes every read's last state, +1 and -1, one byte each).
"""

import json
import sys
import time

import dimod
import numpy as np
from dwave.samplers import SimulatedAnnealingSampler

with open(sys.argv[1]) as file:
    nodes, _ = map(int, next(file).split())
    rows = [line.split() for line in file if line.strip()]
# E = sum w x x: the model's own sign.
model = dimod.BinaryQuadraticModel.from_ising(
    {i: 0.0 for i in range(nodes)}, {(int(i) - 1, int(j) - 1): float(w) for i, j, w in rows}
)
sampler = SimulatedAnnealingSampler()
for line in sys.stdin:
    words = line.split()
    if words[0] == "range":
        info = sampler.sample(model, num_reads=1, num_sweeps=2, seed=0).info
        answer = {"start": 1 / float(info["beta_range"][0]), "end": 1 / float(info["beta_range"][1])}
    else:
        reads, sweeps, seed = map(int, words[:3])
        betas = [1 / float(words[3]), 1 / float(words[4])]
        clock = time.perf_counter()
        found = sampler.sample(model, num_reads=reads, num_sweeps=sweeps, seed=seed, beta_range=betas, beta_schedule_type="geometric")
        wall = time.perf_counter() - clock
        # Its inner loop alone, as it reports it: preparation is not counted against it.
        seconds = found.info["timing"]["sampling_ns"] * 1e-9
        energies = found.record.energy
        answer = {
            "seconds": seconds,
            "wall_seconds": wall,
            "updates_per_second": nodes * reads * sweeps / seconds,
            "best": float(energies.min()),
            "mean_last": float(energies.mean()),
        }
        if len(words) > 5:
            order = np.argsort(np.array(list(found.variables)))
            found.record.sample[:, order].astype(np.int8).tofile(words[5])
    print(json.dumps(answer), flush=True)

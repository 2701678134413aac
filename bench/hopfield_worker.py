"""The PyTorch and NumPy side of hopfield.py: one timed recall a command, from the cue to a fixed point.

  document   the source document's loop: synchronous updates by a prebuilt W, the energy of every state, all states kept
  weights    synchronous updates by a prebuilt W, nothing else
  overlaps   the same without W: X^T (X s) - P s
"""

import json
import resource
import sys
import time

folder, n, p, threads, library = sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5]
import numpy as np

if library == "torch":
    import torch

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
MOST = 100
x = np.fromfile(f"{folder}/patterns.bin", dtype=np.int8).reshape(p, n).astype(np.float32)
cue = np.fromfile(f"{folder}/cue.bin", dtype=np.int8).astype(np.float32)
if library == "torch":
    x, cue = torch.from_numpy(x), torch.from_numpy(cue)
    xt = x.T.contiguous()
else:
    xt = np.ascontiguousarray(x.T)
stored = x[0]
weights = None


def build():
    """W = X^T X / N, zero diagonal; its time is not counted."""
    global weights
    if weights is None:
        weights = xt @ x
        weights /= n
        weights.fill_diagonal_(0) if library == "torch" else np.fill_diagonal(weights, 0)
    return weights


def document():
    w, state = build(), cue.clone()
    energies, states = [(-0.5 * state @ w @ state).item()], [state.clone()]
    for _ in range(MOST):
        new = torch.sign(w @ state)
        new[new == 0] = 1
        if torch.all(state == new):
            break
        state = new
        energies.append((-0.5 * state @ w @ state).item())
        states.append(state.clone())
    return state, len(states)


def by_weights():
    w, state = build(), cue
    for step in range(1, MOST + 1):
        h = w @ state
        new = torch.where(h >= 0, 1.0, -1.0) if library == "torch" else np.where(h >= 0, np.float32(1), np.float32(-1))
        if bool((new == state).all()):
            break
        state = new
    return state, step


def by_overlaps():
    state = cue
    for step in range(1, MOST + 1):
        h = xt @ (x @ state) - p * state
        new = torch.where(h >= 0, 1.0, -1.0) if library == "torch" else np.where(h >= 0, np.float32(1), np.float32(-1))
        if bool((new == state).all()):
            break
        state = new
    return state, step


for line in sys.stdin:
    command = line.strip()
    if command != "overlaps":
        build()
    start = time.perf_counter()
    state, steps = {"document": document, "weights": by_weights, "overlaps": by_overlaps}[command]()
    ms = (time.perf_counter() - start) * 1e3
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    version = torch.__version__ if library == "torch" else np.__version__
    print(json.dumps({"ms": ms, "overlap": float(state @ stored) / n, "sweeps": steps, "peak_kib": peak, "version": version}), flush=True)

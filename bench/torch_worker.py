"""The PyTorch side of attention.py: one timed call a command, the same numbers as the Rust side.

Variants of the statistics script, each written as well as we could; the best one counts:
  batched   all heads at once, out of place
  perhead   head by head, out of place
  inplace   head by head, preallocated buffers, every large operation in place
"""

import json
import resource
import sys
import time

import numpy as np
import torch

folder, heads, n, d, threads = sys.argv[1], *map(int, sys.argv[2:6])
torch.set_num_threads(threads)
torch.set_grad_enabled(False)
q, k, v = (torch.from_numpy(np.fromfile(f"{folder}/{x}.bin", dtype=np.float32).reshape(heads, n, d)) for x in "qkv")
scale = d**-0.5
BINS, WINDOW = 32, 5
width = -(-n // BINS)
bins = -(-n // width)
special = (torch.arange(n) % 97 == 0).float()
prompt = (torch.arange(n) < n // 2).float()
classes = torch.stack([special, prompt], 1)
# Finite, so that weight x score is 0 and not NaN where the mask forbids.
bias = torch.full((n, n), -1e30).triu_(1)


def diagonals(p):
    """Sum of each diagonal i - j = 0..n-1, last two axes, by a skewed view of a zero-padded copy."""
    lead = p.shape[:-2]
    padded = torch.nn.functional.pad(p.flip(-1), (0, n))  # column c holds key n-1-c
    flat = padded.reshape(*lead, n * 2 * n)[..., : n * (2 * n - 1)]
    skew = flat.reshape(*lead, n, 2 * n - 1)  # row i is shifted by i to the right
    # Key j of row i now lies in column n-1-j+i: its distance plus n-1.
    return skew.sum(-2)[..., n - 1 : 2 * n - 1]


def histogram(p):
    by_distance = diagonals(p)
    padded = torch.nn.functional.pad(by_distance, (0, bins * width - n))
    return padded.reshape(*p.shape[:-2], bins, width).sum(-1)


def finish(e, s, m, am):
    """Statistics from exp(s - m), s - m, max and argmax, for any leading axes."""
    z = e.sum(-1)
    inverse = 1 / z
    p_self = torch.diagonal(e, 0, -2, -1) * inverse
    previous = torch.diagonal(e, -1, -2, -1) * inverse[..., 1:]
    window = p_self.clone()
    for lag in range(1, WINDOW):
        window[..., lag:] += torch.diagonal(e, -lag, -2, -1) * inverse[..., lag:]
    lse = m + z.log()
    entropy = z.log() - torch.linalg.vecdot(e, s) * inverse
    participation = z * z / torch.linalg.vecdot(e, e)
    class_mass = (e @ classes) * inverse[..., None]
    column = (inverse[..., None, :] @ e).squeeze(-2)
    return lse, entropy, participation, inverse, p_self, e[..., 0] * inverse, window, previous, am, class_mass, column, inverse


def batched():
    s = q @ k.transpose(-1, -2) * scale + bias
    m, am = s.max(-1)
    s = s - m[..., None]
    e = s.exp()
    out = finish(e, s, m, am)
    return [(*[x[h] for x in out], histogram(e[h] * out[3][h][:, None])) for h in range(heads)]


def perhead():
    answers = []
    for h in range(heads):
        s = q[h] @ k[h].T * scale + bias
        m, am = s.max(-1)
        s = s - m[:, None]
        e = s.exp()
        out = finish(e, s, m, am)
        answers.append((*out, histogram(e * out[3][:, None])))
    return answers


buffers = None


def inplace():
    global buffers
    if buffers is None:
        buffers = torch.empty(n, n), torch.empty(n, n), torch.zeros(n, 2 * n)
    s, e, skewed = buffers
    answers = []
    for h in range(heads):
        torch.addmm(bias, q[h], k[h].T, alpha=scale, out=s)
        m, am = s.max(-1)
        s.sub_(m[:, None])
        torch.exp(s, out=e)
        out = finish(e, s, m, am)
        e.mul_(out[3][:, None])
        # The right half stays zero: the skewed view reads diagonals of the flipped map.
        skewed[:, :n].copy_(e.flip(1))
        by_distance = skewed.reshape(-1)[: n * (2 * n - 1)].reshape(n, 2 * n - 1).sum(0)[n - 1 : 2 * n - 1]
        hist = torch.nn.functional.pad(by_distance, (0, bins * width - n)).reshape(bins, width).sum(-1)
        answers.append((*out, hist))
    return answers


def sdpa():
    return torch.nn.functional.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)


def write(path):
    flat = []
    for lse, entropy, participation, peak, p_self, first, window, previous, am, class_mass, column, _, hist in inplace():
        previous = torch.cat([torch.zeros(1), previous])
        parts = [lse, entropy, participation, peak, p_self, first, window, previous, am.float()]
        flat += parts + [class_mass[:, 0], class_mass[:, 1], hist, column]
    torch.cat([x.contiguous().view(-1) for x in flat]).numpy().tofile(path)
    return torch.zeros(1)


loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for line in sys.stdin:
    command, _, rest = line.strip().partition(" ")
    start = time.perf_counter()
    result = write(rest) if command == "answers" else {"sdpa": sdpa, "batched": batched, "perhead": perhead, "inplace": inplace}[command]()
    check = float(result.double().sum()) if command == "sdpa" else 0.0
    ms = (time.perf_counter() - start) * 1e3
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"ms": ms, "check": check, "peak_kib": peak, "loaded_kib": loaded, "torch": torch.__version__}), flush=True)

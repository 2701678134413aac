"""The Python side of rbm.py: CD-1 steps with momentum and weight decay in PyTorch (plain, tuned), and scikit-learn's own.

    rbm_worker.py KIND FOLDER ROWS VISIBLE HIDDEN BATCH THREADS      KIND: tuned, plain, sklearn

Commands on standard input: `steps N`, `dump FILE` (W [visible, hidden], a, b, f32).
"""

import json
import sys
import time

import numpy as np

kind, folder = sys.argv[1:3]
rows, n, m, batch, threads = map(int, sys.argv[3:8])
LR, MOMENTUM, DECAY = 0.05, 0.5, 2e-4
data = np.fromfile(f"{folder}/data.bin", dtype=np.float32).reshape(rows, n)
weights = np.fromfile(f"{folder}/weights.bin", dtype=np.float32).reshape(n, m)


class Tuned:
    """Preallocated outputs, everything in place, samples by rand < p, one velocity a parameter."""

    def __init__(self):
        import torch

        self.torch = torch
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        torch.manual_seed(1)
        self.w = torch.from_numpy(weights.copy())
        self.a, self.b = torch.zeros(n), torch.zeros(m)
        self.vw, self.va, self.vb = torch.zeros(n, m), torch.zeros(n), torch.zeros(m)
        self.h0, self.h1, self.hs, self.hr = (torch.empty(batch, m) for _ in range(4))
        self.v1, self.vr = torch.empty(batch, n), torch.empty(batch, n)

    def step(self, v0):
        torch = self.torch
        torch.addmm(self.b, v0, self.w, out=self.h0)
        self.h0.sigmoid_()
        torch.lt(self.hr.uniform_(), self.h0, out=self.hs)
        torch.addmm(self.a, self.hs, self.w.t(), out=self.v1)
        self.v1.sigmoid_()
        torch.lt(self.vr.uniform_(), self.v1, out=self.v1)
        torch.addmm(self.b, self.v1, self.w, out=self.h1)
        self.h1.sigmoid_()
        self.vw.addmm_(v0.t(), self.h0, beta=MOMENTUM, alpha=LR / batch)
        self.vw.addmm_(self.v1.t(), self.h1, alpha=-LR / batch)
        self.vw.add_(self.w, alpha=-LR * DECAY)
        self.va.mul_(MOMENTUM).add_(v0.sum(0).sub_(self.v1.sum(0)), alpha=LR / batch)
        self.vb.mul_(MOMENTUM).add_(self.h0.sum(0).sub_(self.h1.sum(0)), alpha=LR / batch)
        self.w.add_(self.vw)
        self.a.add_(self.va)
        self.b.add_(self.vb)

    def parameters(self):
        return [x.numpy() for x in (self.w, self.a, self.b)]


class Stacked(Tuned):
    """Tuned, with the gradient as one product of stacked states as ours has it."""

    def __init__(self):
        super().__init__()
        torch = self.torch
        self.v, self.h = torch.empty(2 * batch, n), torch.empty(2 * batch, m)
        self.v1, self.h0, self.h1 = self.v[batch:], self.h[:batch], self.h[batch:]

    def step(self, v0):
        torch = self.torch
        self.v[:batch].copy_(v0)
        torch.addmm(self.b, v0, self.w, out=self.h0)
        self.h0.sigmoid_()
        torch.lt(self.hr.uniform_(), self.h0, out=self.hs)
        torch.addmm(self.a, self.hs, self.w.t(), out=self.v1)
        self.v1.sigmoid_()
        torch.lt(self.vr.uniform_(), self.v1, out=self.v1)
        torch.addmm(self.b, self.v1, self.w, out=self.h1)
        self.h1.sigmoid_().neg_()
        self.vw.addmm_(self.v.t(), self.h, beta=MOMENTUM, alpha=LR / batch)
        self.vw.add_(self.w, alpha=-LR * DECAY)
        self.va.mul_(MOMENTUM).add_(v0.sum(0).sub_(self.v1.sum(0)), alpha=LR / batch)
        self.vb.mul_(MOMENTUM).add_(self.h.sum(0), alpha=LR / batch)
        self.w.add_(self.vw)
        self.a.add_(self.va)
        self.b.add_(self.vb)


class Plain(Tuned):
    """As most people write it: matmul, bernoulli, gradients out of place."""

    def step(self, v0):
        torch = self.torch
        h0 = torch.sigmoid(v0 @ self.w + self.b)
        v1 = torch.bernoulli(torch.sigmoid(torch.bernoulli(h0) @ self.w.t() + self.a))
        h1 = torch.sigmoid(v1 @ self.w + self.b)
        gw = (v0.t() @ h0 - v1.t() @ h1) / batch - DECAY * self.w
        self.vw = MOMENTUM * self.vw + LR * gw
        self.va = MOMENTUM * self.va + LR * (v0 - v1).mean(0)
        self.vb = MOMENTUM * self.vb + LR * (h0 - h1).mean(0)
        self.w += self.vw
        self.a += self.va
        self.b += self.vb


class ScikitLearn:
    """BernoulliRBM.partial_fit: persistent chains, neither momentum nor decay: less work."""

    def __init__(self):
        from sklearn.neural_network import BernoulliRBM

        self.rbm = BernoulliRBM(n_components=m, learning_rate=LR, batch_size=batch, random_state=1)
        self.rbm.partial_fit(data[:batch])
        self.rbm.components_ = weights.T.copy(order="F")
        self.rbm.intercept_hidden_ = np.zeros(m, dtype=np.float32)
        self.rbm.intercept_visible_ = np.zeros(n, dtype=np.float32)

    def step(self, v0):
        self.rbm.partial_fit(v0)

    def parameters(self):
        return [self.rbm.components_.T, self.rbm.intercept_visible_, self.rbm.intercept_hidden_]


model = {"tuned": Tuned, "stacked": Stacked, "plain": Plain, "sklearn": ScikitLearn}[kind]()
if kind == "sklearn":
    batches = [data[i : i + batch] for i in range(0, rows - batch + 1, batch)]
    version = __import__("sklearn").__version__
else:
    batches = [model.torch.from_numpy(data[i : i + batch]) for i in range(0, rows - batch + 1, batch)]
    version = model.torch.__version__
at = 0
for line in sys.stdin:
    command, _, rest = line.strip().partition(" ")
    start = time.perf_counter()
    if command == "steps":
        for _ in range(int(rest)):
            model.step(batches[at % len(batches)])
            at += 1
    elif command == "dump":
        np.concatenate([np.ascontiguousarray(x, dtype=np.float32).ravel() for x in model.parameters()]).tofile(rest)
    ms = (time.perf_counter() - start) * 1e3
    print(json.dumps({"ms": ms, "check": float(np.abs(model.parameters()[0]).sum()), "version": version}), flush=True)

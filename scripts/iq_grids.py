#!/usr/bin/env python3
"""Writes src/kernels/iq_grids.c: the grids of ggml's IQ types as indices into their few values, packed into 16 bits an entry.

The grids are data of the file format; they are read from the Python package `gguf` (pip install gguf).
Usage: scripts/iq_grids.py > src/kernels/iq_grids.c
"""
import numpy as np
from gguf import quants

# name in C, class, bits an element
GRIDS = [
    ("iq2_xxs", quants.IQ2_XXS, 2),
    ("iq2_xs", quants.IQ2_XS, 2),
    ("iq2_s", quants.IQ2_S, 2),
    ("iq3_xxs", quants.IQ3_XXS, 3),
    ("iq3_s", quants.IQ3_S, 3),
    ("iq1", quants.IQ1_S, 2),
]


def entries(cls, bits):
    cls.init_grid()
    n, length = cls.grid_shape
    grid = np.asarray(cls.grid).reshape(n, length)
    index = {float(v): i for i, v in enumerate(cls.grid_map)}
    for row in grid:
        yield sum(index[float(v)] << (bits * j) for j, v in enumerate(row))


def main():
    print("/* iq_grids.c: the grids of ggml's IQ types; written by scripts/iq_grids.py. See iq_grids.h. */")
    print("/* clang-format off */")
    print('#include "kernels/iq_grids.h"')
    for name, cls, bits in GRIDS:
        words = list(entries(cls, bits))
        print(f"\nconst uint16_t suan__{name}_grid[{len(words)}] = {{")
        for i in range(0, len(words), 16):
            print("    " + ", ".join(f"0x{w:04x}" for w in words[i:i + 16]) + ",")
        print("};")


main()

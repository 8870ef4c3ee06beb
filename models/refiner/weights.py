#!/usr/bin/env python3
"""Writes the parameters of selfie_refiner.onnx in the order and layout in which src/mask/refiner/network.rs reads them.

    python3 weights.py selfie_refiner.onnx selfie_refiner.f32

Little-endian float32. For each of the six convolutions: weights [tap][input][output], then the biases. The inputs of the first
are the pixels of a cell of 4x4, [row][plane][column] instead of ONNX's [row][column][plane]. The outputs of the last, 21, are
padded to 32 with zeros.
"""

import sys

import numpy as np
import onnx
from onnx import numpy_helper

CELL, PLANES, CHANNELS, LAYERS = 4, 5, 32, 6


def main(source, target):
    found = {i.name: numpy_helper.to_array(i) for i in onnx.load(source).graph.initializer}
    parts = []
    for layer in range(LAYERS):
        weights, bias = found[f"w{layer}"], found[f"b{layer}"]
        outputs, inputs, height, width = weights.shape
        if layer == 0:
            weights = weights.reshape(outputs, CELL, CELL, PLANES).transpose(0, 1, 3, 2).reshape(outputs, inputs, 1, 1)
        weights = np.pad(weights, [(0, CHANNELS - outputs), (0, 0), (0, 0), (0, 0)])
        parts += [weights.transpose(2, 3, 1, 0).reshape(-1), np.pad(bias, (0, CHANNELS - outputs))]
    np.concatenate(parts).astype("<f4").tofile(target)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])

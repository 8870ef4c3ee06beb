#!/usr/bin/env python3
"""Writes random weights for sd-server, which computes with them as with real ones and generates noise.

usage: random-weights.py OUT.safetensors [LOG]
LOG is the output of sd-server, patched by scripts/provider-servers, that lists the missing tensors:
`MISSING 'NAME' N0 N1 N2 N3 nd DIMENSIONS`, fastest dimension first.
"""

import json
import re
import struct
import sys

import numpy

# Enough for sd-server to recognize Stable Diffusion 1 and list the other missing tensors.
KNOWN = {
    "model.diffusion_model.input_blocks.0.0.weight": (320, 4, 3, 3),
    "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": (49408, 768),
}
MISSING = re.compile(r"MISSING '([^']+)' (\d+) (\d+) (\d+) (\d+) nd (\d+)")


def shapes(log):
    found = dict(KNOWN)
    for name, *sides, dimensions in (match.groups() for match in map(MISSING.search, log) if match):
        found[name] = tuple(int(side) for side in reversed(sides[: max(int(dimensions), 1)]))
    return found


def values(random, name, shape):
    if name.endswith(".bias"):
        return numpy.zeros(shape, numpy.float16)
    if len(shape) == 1:  # the scale of a normalization
        return numpy.ones(shape, numpy.float16)
    return (random.standard_normal(shape, numpy.float32) * 0.02).astype(numpy.float16)


def main(out, log=None):
    tensors = shapes(open(log, errors="replace") if log else [])
    header, at = {}, 0
    for name, shape in tensors.items():
        end = at + 2 * int(numpy.prod(shape))
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    random = numpy.random.default_rng(0)
    with open(out, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in tensors.items():
            file.write(values(random, name, shape).tobytes())
    print(f"{len(tensors)} tensors, {at / 1e6:.0f} MB")


main(*sys.argv[1:])

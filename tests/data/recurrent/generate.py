#!/usr/bin/env python3
"""Generates the recurrent models in this folder, for the tests of [[mask.custom]]. Needs onnx 1.16 or newer.

    generate.py [FOLDER]
"""

import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT
IMAGE = ["batch", 3, "height", "width"]
ALPHA = ["batch", 1, "height", "width"]
OPEN = ["batch", "channels", "rows", "columns"]


def value(name, shape, kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def constant(name, array, kind=np.float32):
    return numpy_helper.from_array(np.array(array, kind), name)


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def model(nodes, inputs, outputs, constants=()):
    graph = helper.make_graph(nodes, "recurrent", inputs, outputs, list(constants))
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="bgcam")
    made.ir_version = 8
    onnx.checker.check_model(made, full_check=True)
    return made


# the mean of the channels, and that of all pixels as a tensor [1, 1, 1, 1]
GREY = node("ReduceMean", "image", "grey", axes=[1], keepdims=1)
MEAN = node("ReduceMean", "image", "mean", axes=[1, 2, 3], keepdims=1)


def running_mean():
    """The alpha is the mean grey of all frames so far, per pixel."""
    nodes = [
        GREY,
        node("Add", "count_i one", "count_o"),
        node("Sub", "grey mean_i", "difference"),
        node("Div", "difference count_o", "step"),
        node("Add", "mean_i step", "mean_o"),
        node("Identity", "mean_o", "alpha"),
    ]
    inputs = [value("image", IMAGE), value("mean_i", OPEN), value("count_i", [1])]
    outputs = [value("alpha", ALPHA), value("mean_o", OPEN), value("count_o", [1])]
    return model(nodes, inputs, outputs, [constant("one", [1])])


def like_rvm():
    """The inputs and outputs of Robust Video Matting: each state is the mean of itself and of the scaled image."""
    nodes = [
        node("Concat", "ones downsample_ratio downsample_ratio", "scales", axis=0),
        helper.make_node("Resize", ["src", "", "scales"], ["small"], mode="linear"),
    ]
    scale = "small"
    for level in range(1, 5):
        name = f"r{level}"
        nodes += [
            node("AveragePool", scale, f"{name}x", kernel_shape=[2, 2], strides=[2, 2]),
            node("Shape", f"{name}x", f"{name}s"),
            node("Expand", f"{name}i {name}s", f"{name}e"),
            node("Add", f"{name}x {name}e", f"{name}d"),
            node("Mul", f"{name}d half", f"{name}o"),
        ]
        scale = f"{name}x"
    nodes += [
        node("ReduceMean", "r1o", "grey", axes=[1], keepdims=1),
        node("Shape", "src", "shape"),
        node("Slice", "shape two four", "sides"),
        node("Concat", "one_one sides", "size", axis=0),
        helper.make_node("Resize", ["grey", "", "", "size"], ["pha"], mode="linear"),
        node("Identity", "src", "fgr"),
    ]
    inputs = [value("src", IMAGE), *(value(f"r{level}i", OPEN) for level in range(1, 5)), value("downsample_ratio", [1])]
    outputs = [value("fgr", IMAGE), value("pha", ALPHA), *(value(f"r{level}o", OPEN) for level in range(1, 5))]
    constants = [
        constant("ones", [1, 1]),
        constant("half", 0.5),
        constant("one_one", [1, 1], np.int64),
        constant("two", [2], np.int64),
        constant("four", [4], np.int64),
    ]
    return model(nodes, inputs, outputs, constants)


def one_state(nodes, shape_in, shape_out, kind=FLOAT, constants=()):
    """A model whose alpha is grey, with the state `h_in` and `h_out` of the given nodes."""
    inputs = [value("image", IMAGE), value("h_in", shape_in, kind)]
    outputs = [value("alpha", ALPHA), value("h_out", shape_out, kind)]
    return model([GREY, node("Identity", "grey", "alpha"), *nodes], inputs, outputs, constants)


def grows():
    """A state that is longer after every frame."""
    return one_state([MEAN, node("Concat", "h_in mean", "h_out", axis=2)], OPEN, OPEN)


def jumps():
    """A state of one value, or of five while the image is white."""
    nodes = [
        MEAN,
        node("Reshape", "mean scalar", "level"),
        node("Mul", "level four", "length"),
        node("Round", "length", "whole"),
        node("Add", "whole one", "end"),
        node("Range", "zero end one", "h_out"),
    ]
    constants = [
        constant("scalar", np.zeros(0), np.int64),
        constant("zero", 0),
        constant("one", 1),
        constant("four", 4),
    ]
    return one_state(nodes, ["length"], ["length"], constants=constants)


def not_finite():
    """A state that is NaN once an image is bright; the alpha stays finite."""
    nodes = [MEAN, node("Sub", "half mean", "rest"), node("Sqrt", "rest", "root"), node("Mul", "h_in zero", "none")]
    nodes.append(node("Add", "root none", "h_out"))
    return one_state(nodes, OPEN, OPEN, constants=[constant("half", 0.5), constant("zero", 0)])


def half():
    """A state of float16."""
    return one_state([node("Identity", "h_in", "h_out")], OPEN, OPEN, TensorProto.FLOAT16)


def huge():
    """A state of 512 MiB."""
    shape = [1, 1, 16384, 8192]
    return one_state([node("Identity", "h_in", "h_out")], shape, shape)


def expands():
    """A state of 257 MiB, which the file leaves open."""
    sides = constant("sides", [1, 1, 8192, 8224], np.int64)
    return one_state([node("Expand", "h_in sides", "h_out")], OPEN, OPEN, constants=[sides])


def counter():
    """An integer and a number that are constants; the alpha is `grey * gain + offset`."""
    nodes = [
        GREY,
        node("Cast", "offset", "number", to=FLOAT),
        node("Mul", "grey gain", "bright"),
        node("Add", "bright number", "alpha"),
    ]
    inputs = [value("image", IMAGE), value("gain", []), value("offset", [1], TensorProto.INT64)]
    return model(nodes, inputs, [value("alpha", ALPHA)])


MODELS = {
    "running_mean": running_mean,
    "like_rvm": like_rvm,
    "grows": grows,
    "jumps": jumps,
    "not_finite": not_finite,
    "half": half,
    "huge": huge,
    "expands": expands,
    "constants": counter,
}


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent
    for name, make in MODELS.items():
        (folder / f"{name}.onnx").write_bytes(make().SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()

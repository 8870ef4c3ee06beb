#!/usr/bin/env python3
"""Optimizes a selfie model: simplify.py IN.onnx OUT.onnx [--any-size]

The network stays the same and, except for upscale_in_steps and float16, so does its output. Linear operations are merged or
moved to a lower resolution, and data movement is reduced. With --any-size, for multiclass, no node depends on the input size:
width and height can be any multiples of 64 (symbols "width" and "height"). The output is then alpha and the probability of hair
instead of six classes, and weights are stored as float16, which ONNX Runtime widens when it loads the model.
Dependencies: numpy, onnx.
"""
import sys
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

any_size = "--any-size" in sys.argv[3:]
model = onnx.load(sys.argv[1])
graph = model.graph
weights = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
          for v in shape_inference.infer_shapes(model).graph.value_info}
nodes = list(graph.node)


def attributes(node):
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def producer(name):
    return next((n for n in nodes if name in n.output), None)


def consumers(name):
    return [n for n in nodes if name in n.input]


def constant(array):
    name = f"c{len(weights)}"
    weights[name] = array
    return name


def perm(node):
    return list(attributes(node)["perm"]) if node is not None and node.op_type == "Transpose" else None


def replace(old, new):
    """Reconnects all consumers of `old` to `new`."""
    for node in nodes:
        for at, name in enumerate(node.input):
            if name == old:
                node.input[at] = new


def insert_before(node, op, inputs, **attrs):
    made = helper.make_node(op, inputs, [f"{op.lower()}_{len(weights)}_{len(nodes)}"], **attrs)
    nodes.insert(nodes.index(node), made)
    return made.output[0]


def prune():
    """Removes nodes whose outputs are unused."""
    while True:
        used = {name for n in nodes for name in n.input} | {o.name for o in graph.output}
        dead = [n for n in nodes if not any(o in used for o in n.output)]
        if not dead:
            return
        for node in dead:
            nodes.remove(node)


def kernel(node):
    """Weight and bias of a 1x1 convolution over all channels, or None."""
    if node is None or node.op_type != "Conv" or attributes(node).get("strides", [1, 1]) != [1, 1]:
        return None
    weight = weights[node.input[1]]
    full = attributes(node).get("group", 1) == 1 and weight.shape[2:] == (1, 1)
    return (weight[:, :, 0, 0].astype(np.float64), weights[node.input[2]].astype(np.float64)) if full else None


def scale(node):
    """Factor and offset of each channel of a depthwise 1x1 convolution, or of an Add after a Mul: (input, a, b)."""
    if node.op_type == "Conv" and weights[node.input[1]].shape[1:] == (1, 1, 1) and attributes(node)["group"] > 1:
        return node.input[0], weights[node.input[1]].ravel(), weights[node.input[2]]
    mul = producer(node.input[0]) if node.op_type == "Add" else None
    if mul is not None and mul.op_type == "Mul" and node.input[1] in weights and mul.input[1] in weights:
        return mul.input[0], weights[mul.input[1]].ravel(), weights[node.input[1]].ravel()
    return None


def set_kernel(node, weight, bias):
    node.input[1] = constant(weight.astype(np.float32)[:, :, None, None])
    node.input[2] = constant(bias.astype(np.float32))


def upscale_factor(node):
    """The factor of a bilinear upscaling node, or None."""
    smooth = node is not None and node.op_type == "Resize" and attributes(node)["mode"] == b"linear"
    return int(weights[node.input[2]][2]) if smooth else None


def pack_patches():
    """Replaces the packing of 4x4 patches (MobileViT) by a space-to-depth and its inverse."""
    for node in [n for n in nodes if perm(n) == [0, 2, 3, 1]]:
        reshape = next(iter(consumers(node.output[0])), None)
        if reshape is None or reshape.op_type != "Reshape":
            continue
        channels = weights[reshape.input[1]][3] // 4
        inner = consumers(consumers(reshape.output[0])[0].output[0])[0]
        last = consumers(inner.output[0])[0]
        assert perm(last) == [0, 2, 1, 3] and weights[inner.input[1]][3] == channels
        packed = insert_before(node, "SpaceToDepth", [node.input[0]], blocksize=4)
        shape = insert_before(node, "Shape", [packed])
        rows = insert_before(node, "Reshape", [packed, constant(np.array([1, 16, channels, -1], np.int64))])
        tokens = insert_before(node, "Transpose", [rows], perm=[0, 2, 1, 3])  # [1, channels, position, patch]
        for user in consumers(last.output[0]):
            if perm(user) == [0, 3, 1, 2]:
                replace(user.output[0], tokens)
            else:  # the norm's Mul and Add, with the channels in the last dimension
                add = consumers(user.output[0])[0]
                factor, offset = (constant(weights[n.input[1]].reshape(1, -1, 1, 1)) for n in (user, add))
                back = consumers(add.output[0])[0]
                normed = insert_before(node, "Mul", [tokens, factor])
                replace(back.output[0], insert_before(node, "Add", [normed, offset]))
        unpack_patches(node, channels, shape)
        prune()


def unpack_patches(node, channels, shape):
    """Unpacking starts with two transposes that together put positions before patches."""
    for start in [n for n in nodes if perm(n) == [0, 2, 3, 1]][::-1]:
        second = consumers(start.output[0])[0]
        if perm(second) != [0, 2, 1, 3] or start is node:
            continue
        third = consumers(second.output[0])[0]
        fifth = consumers(consumers(third.output[0])[0].output[0])[0]
        if weights[fifth.input[1]][3] != channels:
            continue
        final = consumers(fifth.output[0])[0]
        positions = insert_before(start, "Transpose", [start.input[0]], perm=[0, 2, 1, 3])
        image = insert_before(start, "Reshape", [positions, shape])
        replace(final.output[0], insert_before(start, "DepthToSpace", [image], blocksize=4, mode="DCR"))


def attend_in_place():
    """Attention: computes softmax and sum over patches without transposing."""
    for node in [n for n in nodes if n.op_type == "Softmax"]:
        first, end = producer(producer(node.input[0]).input[0]), consumers(consumers(node.output[0])[0].output[0])[0]
        replace(end.output[0], insert_before(node, "Softmax", [first.input[0]], axis=-1))
    for node in [n for n in nodes if n.op_type == "ReduceSum"]:
        before, after = producer(node.input[0]), consumers(node.output[0])[0]
        assert perm(before) == [0, 2, 3, 1] and perm(after) == [0, 3, 1, 2]
        axes = constant(np.array([3], np.int64))
        replace(after.output[0], insert_before(node, "ReduceSum", [before.input[0], axes], keepdims=1))
    prune()


def fold_factors():
    """Folds a factor and offset per channel into the 1x1 convolutions that follow."""
    for node in nodes[:]:
        found = scale(node)
        users = consumers(node.output[0])
        if found and users and all(kernel(user) for user in users):
            source, factor, offset = found
            for user in users:
                weight, bias = kernel(user)
                set_kernel(user, weight * factor, bias + weight @ offset)
                user.input[0] = source
    prune()


def join_convolutions():
    """Merges two consecutive 1x1 convolutions if that needs fewer operations."""
    for node in nodes[:]:
        users = consumers(node.output[0])
        if kernel(node) is None or len(users) != 1 or kernel(users[0]) is None:
            continue
        (first, offset), (second, bias) = kernel(node), kernel(users[0])
        if second.shape[0] * first.shape[1] < first.size + second.size:
            set_kernel(users[0], second @ first, bias + second @ offset)
            users[0].input[0] = node.input[0]
    prune()


def output_alpha_and_hair():
    """Merges the last 2x upscaling and the class output into one convolution, with the softmax at half the resolution.

    Alpha is one minus the softmax of the background, class 0: s / (1 + s), where s is the sum of exp(class - background) over
    the other classes. These differences are linear too, and only alpha and hair, class 1, are upscaled to the full resolution.
    """
    up = next(n for n in nodes if n.op_type == "ConvTranspose")
    last = consumers(up.output[0])[0]
    spread, spread_bias = weights[up.input[1]].astype(np.float64), weights[up.input[2]].astype(np.float64)
    classes, classes_bias = kernel(last)
    weight, bias = np.einsum("iohw,ko->hwki", spread, classes), classes_bias + classes @ spread_bias
    half = insert_before(up, "Conv", [up.input[0], "", ""], kernel_shape=[1, 1], strides=[1, 1], group=1)
    others = weight[:, :, 1:] - weight[:, :, :1]
    set_kernel(producer(half), others.reshape(-1, spread.shape[0]), np.tile(bias[1:] - bias[0], 4))
    limit = constant(np.array(60, np.float32))  # alpha is 1 well below this, and float32 overflows well above
    each = insert_before(up, "Exp", [insert_before(up, "Clip", [half, "", limit])])
    count = len(bias) - 1
    parts = []
    for sums in (np.vstack([np.ones(count), np.eye(count)[0]]), np.ones((2, count))):
        part = insert_before(up, "Conv", [each, "", ""], kernel_shape=[1, 1])
        set_kernel(producer(part), np.kron(np.eye(4), sums), np.zeros(8))
        parts.append(part)
    more = insert_before(up, "Add", [parts[1], constant(np.array(1, np.float32))])
    both = insert_before(up, "Div", [parts[0], more])
    nodes[nodes.index(last)] = helper.make_node("DepthToSpace", [both], list(last.output), blocksize=2, mode="DCR")
    graph.output[0].type.tensor_type.shape.dim[1].dim_value = 2
    prune()


def upscale_last():
    """Moves a 1x1 convolution from after an upscaling to before it."""
    for node in [n for n in nodes if upscale_factor(n)]:
        users = consumers(node.output[0])
        if len(users) != 1 or kernel(users[0]) is None or users[0].output[0] == graph.output[0].name:
            continue
        small = insert_before(node, "Conv", [node.input[0], *users[0].input[1:]], kernel_shape=[1, 1])
        node.input[0] = small
        replace(users[0].output[0], node.output[0])
    prune()


def upscale_in_steps():
    """Replaces a sum of features upscaled by 8, 4 and 2 by repeated 2x upscaling and addition.

    The only step that changes the output: upscaling twice by 2 is slightly smoother than once by 4.
    """
    last = next((n for n in reversed(nodes) if n.op_type == "Add" and upscale_factor(producer(n.input[1]))), None)
    parts, add = [], last
    while add is not None and add.op_type == "Add" and upscale_factor(producer(add.input[1])):
        parts.append(producer(add.input[1]))
        rest, add = add.input[0], producer(add.input[0])
    if len(parts) < 2:
        return
    assert [upscale_factor(part) for part in parts] == [2**n for n in range(len(parts), 0, -1)]
    two, how = parts[-1].input[2], attributes(parts[-1])
    total = parts[0].input[0]
    for source in [part.input[0] for part in parts[1:]] + [rest]:
        total = insert_before(last, "Add", [source, insert_before(last, "Resize", [total, "", two], **how)])
    replace(last.output[0], total)
    prune()


def expand_gates():
    """Expands a factor per channel to the full resolution before multiplying, so that ONNX Runtime keeps its blocked layout."""
    for node in [n for n in nodes if n.op_type == "Mul"]:
        features, gate = (shapes.get(name) for name in node.input)
        if features is None or gate is None or len(gate) != 4 or gate[2:] != [1, 1] or features[2:] == [1, 1]:
            continue
        factor = constant(np.array([1, 1, *features[2:]], np.float32))
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        node.input[1] = insert_before(node, "Resize", [node.input[1], "", factor], **how)


def split_bottlenecks():
    """Splits inverted bottlenecks (1x1 expansion, depthwise filter, 1x1 projection) by channel groups.

    The sum is the same, and the intermediate features fit in the CPU cache.
    """
    parts = {96: 3, 384: 4, 768: 6}  # measured: smaller parts cost more than they save, and so does splitting 1536
    for node in [n for n in nodes if n.op_type == "Conv" and attributes(n).get("group", 1) in parts]:
        after = consumers(node.output[0])[0]
        project = consumers(after.output[0])[0]
        before = producer(node.input[0])
        expand = producer(before.input[0])
        if not (before.op_type == after.op_type == "Relu" and kernel(expand) and kernel(project)):
            continue
        channels = attributes(node)["group"]
        width, total = channels // parts[channels], None
        for start in range(0, channels, width):
            part = slice(start, start + width)
            cut = [constant(weights[name][part]) for name in (*expand.input[1:], *node.input[1:])]
            wide = insert_before(project, "Conv", [expand.input[0], *cut[:2]], kernel_shape=[1, 1])
            wide = insert_before(project, "Relu", [wide])
            how = attributes(node) | {"group": width}
            wide = insert_before(project, "Relu", [insert_before(project, "Conv", [wide, *cut[2:]], **how)])
            bias = weights[project.input[2]]
            back = [constant(weights[project.input[1]][:, part]), constant(bias if total is None else 0 * bias)]
            narrow = insert_before(project, "Conv", [wide, *back], kernel_shape=[1, 1])
            total = narrow if total is None else insert_before(project, "Add", [narrow, total])
        replace(project.output[0], total)
        prune()


def store():
    """Writes nodes and weights back to the model; with --any-size as float16, with a Cast that is folded at load."""
    used = [name for n in nodes for name in n.input if name in weights]
    del graph.initializer[:]
    casts = []
    for name in dict.fromkeys(used):
        array = np.ascontiguousarray(weights[name])
        if any_size and array.dtype == np.float32 and array.size > 16:
            graph.initializer.append(numpy_helper.from_array(array.astype(np.float16), name + "_f16"))
            casts.append(helper.make_node("Cast", [name + "_f16"], [name], to=TensorProto.FLOAT))
        else:
            graph.initializer.append(numpy_helper.from_array(array, name))
    del graph.node[:]
    graph.node.extend(casts + nodes)
    del graph.value_info[:]
    for index, node in enumerate(graph.node):
        node.name = f"n{index}"
    if any_size:
        for value in (graph.input[0], graph.output[0]):
            dims = value.type.tensor_type.shape.dim
            dims[2].dim_param, dims[3].dim_param = "height", "width"


if any_size:
    pack_patches()
    attend_in_place()
fold_factors()
join_convolutions()
if any_size:
    output_alpha_and_hair()
upscale_last()
upscale_in_steps()
if any_size:
    split_bottlenecks()
else:
    expand_gates()
store()
onnx.checker.check_model(model, full_check=True)
onnx.save(model, sys.argv[2])

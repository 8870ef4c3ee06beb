#!/usr/bin/env python3
"""Trains the refiner, a tiny network that turns picture and coarse alpha into alpha inside the edge band; writes ONNX.

    train.py DATA OUT.onnx [--minutes 60] [--channels 32] [--hair] [--temporal 1] [--device cuda]

DATA is the folder of make_data.py. Validates with P007 unless --all. OUT.pt is written beside OUT.onnx, for --init.

The network works at a quarter of the resolution: space-to-depth by 4, a 1x1 convolution, four 3x3 convolutions (dilation 1, 2, 4, 1)
with shortcuts. Every cell of 4x4 pixels gets a linear function of colour and coarse alpha (five numbers, enlarged bilinearly) and
16 numbers for its pixels. Their sum is the change of alpha, from which a dead zone is taken so that haze and noise change nothing.
Input and output of the ONNX file: see README.md.
"""

import argparse
import glob
import os
import time

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional as F

DILATIONS = (1, 2, 4, 1)
CELL = 4
STORED, CROP = 128, 96
LUMA = (0.299, 0.587, 0.114)


class Refiner(nn.Module):
    """Alpha 0..1 (training: a little beyond) from x = R, G, B, coarse alpha [, hair], all 0..1."""

    def __init__(self, inputs=4, channels=32, dead=0.0):
        super().__init__()
        self.dead = dead
        self.first = nn.Conv2d(inputs * CELL * CELL, channels, 1)
        self.middle = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=d, dilation=d) for d in DILATIONS)
        self.last = nn.Conv2d(channels, 5 + CELL * CELL, 1)
        nn.init.normal_(self.last.weight, 0, 0.02)  # not zero: the dead zone has no slope at zero
        nn.init.zeros_(self.last.bias)

    def forward(self, x):
        features = F.relu(self.first(F.pixel_unshuffle(x - 0.5, CELL)))
        for layer in self.middle:
            features = F.relu(features + layer(features))
        out = self.last(features)
        linear = F.interpolate(out[:, :5], scale_factor=CELL, mode="bilinear", align_corners=False)
        change = (linear[:, :4] * (x[:, :4] - 0.5)).sum(1, keepdim=True) + linear[:, 4:] + F.pixel_shuffle(out[:, 5:], CELL)
        return x[:, 3:4] + F.softshrink(change, self.dead)


def band(coarse, reach=6):
    """1 where the refined alpha is used: within `reach` cells of where the coarse one changes."""
    high, low = F.max_pool2d(coarse, CELL), -F.max_pool2d(-coarse, CELL)
    window = 2 * reach + 1
    near = (F.max_pool2d(high, window, 1, reach) > 0.04) & (-F.max_pool2d(-low, window, 1, reach) < 0.96)
    soft = F.avg_pool2d(near.float(), 3, 1, 1, count_include_pad=False)
    return F.interpolate(soft, scale_factor=CELL, mode="bilinear", align_corners=False)


class Augmenter:
    """Turns stored crops into pairs of network input and true alpha, with random colours, noise and errors of the coarse alpha."""

    def __init__(self, crops, generator):
        self.crops, self.random = crops, generator
        self.device = crops.device
        # The cosine transform of 8x8 blocks and the usual quantisation of luma, for JPEG.
        k = torch.arange(8, dtype=torch.float32)
        dct = torch.cos((2 * k[None] + 1) * k[:, None] * torch.pi / 16) / 2
        dct[0] /= 2**0.5
        self.dct = dct.to(self.device)
        self.steps = (10 + 6 * (k[:, None] + k[None])).to(self.device)
        self.luma = torch.tensor(LUMA, device=self.device).view(1, 3, 1, 1)

    def uniform(self, n, low=0.0, high=1.0):
        """One number for each of n crops."""
        return torch.rand(n, 1, 1, 1, device=self.device, generator=self.random) * (high - low) + low

    def normal(self, *shape):
        return torch.randn(*shape, device=self.device, generator=self.random)

    def chance(self, n, p):
        return self.uniform(n) < p

    def recolour(self, n):
        """A random change of colour, from another light to a negative with its channels exchanged.

        Only that person and room differ may tell one from the other, never what colours they have.
        """
        negative, gray, shift = self.chance(n, 0.3), self.chance(n, 0.3), self.uniform(n, -1, 0.6)
        order = torch.rand(n, 3, device=self.device, generator=self.random).argsort(1)
        order = torch.where(self.chance(n, 0.5).view(n, 1), order, torch.arange(3, device=self.device))
        gamma, gain = (0.3 * self.normal(n, 1, 1, 1)).exp(), (0.35 * self.normal(n, 1, 1, 1) - 0.1).exp()
        tint, offset = 1 + 0.08 * self.normal(n, 3, 1, 1), 0.05 * self.normal(n, 1, 1, 1)
        plain = self.chance(n, 0.25)  # some keep their colours

        def change(picture):
            new = torch.where(negative, 1 - picture, picture)
            new = new.gather(1, order.view(n, 3, 1, 1).expand_as(new))
            new = torch.where(gray, new + shift * (new - new.mean(1, keepdim=True)), new)
            new = new.clamp(1e-4, 1) ** gamma * gain * tint + offset
            return torch.where(plain, picture, new).clamp(0, 1)

        return change

    def rooms(self, room, colour, alpha):
        """Another room, a plain wall, or one of the person's own colour, for some."""
        n, _, height, width = room.shape
        other = room[torch.randperm(n, device=self.device, generator=self.random)]
        room = torch.where(self.chance(n, 0.35), other, room)
        room = self.recolour(n)(room)
        slope = torch.linspace(0, 1, width, device=self.device).view(1, 1, 1, width)
        shade = 1 + (self.uniform(n) - 0.5) * slope + (self.uniform(n) - 0.5) * slope.transpose(2, 3)
        tone = torch.rand(n, 3, 1, 1, device=self.device, generator=self.random)
        gray = self.uniform(n)
        wall = (torch.where(self.chance(n, 0.5), tone, gray + 0.08 * (tone - 0.5)) * shade).clamp(0, 1)
        room = torch.where(self.chance(n, 0.25), wall, room)
        mean = (colour * alpha).sum((2, 3), keepdim=True) / (alpha.sum((2, 3), keepdim=True) + 1)
        alike = (room + (mean - room.mean((2, 3), keepdim=True)) * self.uniform(n, 0.6, 1)).clamp(0, 1)
        room = torch.where(self.chance(n, 0.12), alike, room)
        return torch.where(self.chance(n, 0.6), self.clutter(room), room)

    def clutter(self, room):
        """Sharp things in the room: bars, edges of furniture, leaves. A defocused photo alone teaches that what is sharp is hair."""
        n, _, height, width = room.shape
        y = torch.linspace(-1, 1, height, device=self.device).view(1, 1, height, 1)
        x = torch.linspace(-1, 1, width, device=self.device).view(1, 1, 1, width)
        for kind in ("edge", "bar", "bar", "leaves"):
            if kind == "leaves":
                size = (height // 5, width // 5)
                field = F.interpolate(self.normal(n, 1, *size), size=(height, width), mode="bicubic", align_corners=False)
                mask = ((field - self.uniform(n, 0.4, 1.2)) * 8 + 0.5).clamp(0, 1)
            else:
                upright = torch.where(self.chance(n, 0.5), 0.0, torch.pi / 2) + 0.03 * self.normal(n, 1, 1, 1)
                angle = torch.where(self.chance(n, 0.7), upright, self.uniform(n, 0, torch.pi))
                along = x * angle.cos() + y * angle.sin() - self.uniform(n, -1, 1)
                wide = self.uniform(n, 0.02, 0.2) if kind == "bar" else 0.0
                distance = along if kind == "edge" else wide - along.abs()
                mask = (distance * height / self.uniform(n, 1.5, 5) + 0.5).clamp(0, 1)
            tone = torch.rand(n, 3, 1, 1, device=self.device, generator=self.random)
            shift = torch.where(self.chance(n, 0.5), tone, (room + 0.5 * (tone.mean(1, keepdim=True) - 0.5)).clamp(0, 1))
            strength = self.chance(n, 0.2 if kind == "leaves" else 0.35) * self.uniform(n, 0.4, 1)
            room = room + mask * strength * (shift - room)
        return room.clamp(0, 1)

    def camera(self, picture, noise, quality, sharpness, compressed):
        """Sensor noise (finer luma, coarser chroma), sharpening and JPEG, as a webcam does."""
        n, _, height, width = picture.shape
        grain = self.normal(n, 1, height, width)
        blotches = F.interpolate(
            self.normal(n, 3, height // 2, width // 2), scale_factor=2, mode="bilinear", align_corners=False
        )
        noisy = picture + (0.8 * grain + 0.8 * blotches) * noise * (0.6 + 0.7 * picture.clamp(0, 1).sqrt())
        noisy = noisy + sharpness * (noisy - F.avg_pool2d(noisy, 3, 1, 1, count_include_pad=False))
        noisy = noisy.clamp(0, 1)
        luma = (noisy * self.luma).sum(1, keepdim=True)
        chroma = F.interpolate(F.avg_pool2d(noisy - luma, 2), scale_factor=2, mode="bilinear", align_corners=False)
        blocks = luma.view(n, height // 8, 8, width // 8, 8).permute(0, 1, 3, 2, 4)
        spectrum = self.dct @ blocks @ self.dct.T
        step = self.steps * quality.view(n, 1, 1, 1, 1) / 255
        spectrum = torch.round(spectrum / step) * step
        luma = (self.dct.T @ spectrum @ self.dct).permute(0, 1, 3, 2, 4).reshape(n, 1, height, width)
        return torch.where(compressed, luma + chroma, noisy).clamp(0, 1)

    def blobs(self, n, height, width, scale):
        """Soft random spots, 0..1."""
        field = F.interpolate(
            self.normal(n, 1, height // scale + 1, width // scale + 1), size=(height, width), mode="bicubic"
        )
        return ((field - self.uniform(n, 0.8, 1.6)) * self.uniform(n, 3, 12)).sigmoid()

    def damage(self, coarse):
        """Errors that a coarse alpha has: shifted, grown, blurred, wrong levels, feathers, holes, blocks."""
        n, _, height, width = coarse.shape
        angle, stretch = 0.01 * self.normal(n), 1 + 0.01 * self.normal(n)
        moved = self.chance(n, 0.25).view(n, 1) * self.normal(n, 2) * 4 / width
        rotation = torch.stack([stretch, -angle, moved[:, 0], angle, stretch, moved[:, 1]], 1).view(n, 2, 3)
        grid = F.affine_grid(rotation, list(coarse.shape), align_corners=False)
        coarse = torch.where(
            self.chance(n, 0.3), F.grid_sample(coarse, grid, padding_mode="border", align_corners=False), coarse
        )
        for radius in (1, 3):
            size = 2 * radius + 1
            grown = F.max_pool2d(coarse, size, 1, radius)
            shrunk = -F.max_pool2d(-coarse, size, 1, radius)
            blurred = F.avg_pool2d(coarse, size, 1, radius, count_include_pad=False)
            choice = self.uniform(n)
            coarse = torch.where(
                choice < 0.04, grown, torch.where(choice < 0.08, shrunk, torch.where(choice < 0.14, blurred, coarse))
            )
        level = ((coarse - 0.5) * self.uniform(n, 0.6, 1.8) + 0.5 + 0.1 * self.normal(n, 1, 1, 1)).clamp(0, 1)
        coarse = torch.where(self.chance(n, 0.15), torch.where((coarse > 0.02) & (coarse < 0.98), level, coarse), coarse)
        scale = 12
        near = F.avg_pool2d(F.max_pool2d(coarse, 13, 1, 6), 9, 1, 4, count_include_pad=False)
        feather = torch.maximum(coarse, near * self.blobs(n, height, width, scale) * self.uniform(n, 0.3, 1))
        coarse = torch.where(self.chance(n, 0.15), feather, coarse)
        near = F.avg_pool2d(F.max_pool2d(1 - coarse, 13, 1, 6), 9, 1, 4, count_include_pad=False)
        hole = torch.minimum(coarse, 1 - near * self.blobs(n, height, width, scale) * self.uniform(n, 0.3, 1))
        coarse = torch.where(self.chance(n, 0.15), hole, coarse)
        blocks = F.interpolate(F.avg_pool2d(coarse, 8), scale_factor=8, mode="nearest")
        return torch.where(self.chance(n, 0.04), blocks, coarse)

    def crop(self, indices, train):
        """Crops of the two moments and of the room; shifted and mirrored when training."""
        y, x = (16, 16)
        if train:
            y, x = (CELL * torch.randint(0, (STORED - CROP) // CELL + 1, (2,))).tolist()
        crops = self.crops[indices, :, y : y + CROP, x : x + CROP].float() / 255
        if train:
            crops = torch.where(self.chance(len(crops), 0.5), crops.flip(3), crops)
        return crops[:, :8], crops[:, 8:16], crops[:, 16:]

    def settings(self, n, train):
        """Noise, quantisation, sharpening and use of JPEG of each pair's camera; which quality of bgcam."""
        if train:
            noise = (self.normal(n, 1, 1, 1) * 0.5 + 0.6).exp() / 255
            sharpness = self.chance(n, 0.25) * self.uniform(n, 0.2, 1)
            quality = torch.multinomial(torch.tensor([0.15, 0.35, 0.5]), n, replacement=True).to(self.device)
            return (noise, self.uniform(n, 0.15, 0.9), sharpness, self.chance(n, 0.7)), quality

        def same(value):
            return torch.full((n, 1, 1, 1), value, device=self.device)

        return (same(2 / 255), same(0.3), same(0.0), same(True)), torch.full((n,), 2, device=self.device)

    def batch(self, indices, train=True):
        """Two moments, each (network input with hair, true alpha). Without training: as recorded, with a usual camera."""
        first, second, room = self.crop(indices, train)
        n = len(first)
        if train:
            second = torch.where(self.chance(n, 0.4), first, second)  # the same moment twice: only noise differs
            swap = self.chance(n, 0.5)
            first, second = torch.where(swap, second, first), torch.where(swap, first, second)
            room = self.rooms(room, first[:, :3], first[:, 3:4])
        recolour = self.recolour(n)
        camera, quality = self.settings(n, train)
        no_hair, same_damage = self.chance(n, 0.03), self.chance(n, 0.6)
        state = self.random.get_state()
        result = []
        for moment in (first, second):
            colour, alpha, hair = moment[:, :3], moment[:, 3:4], moment[:, 7:8]
            coarse = moment[torch.arange(n, device=self.device), 4 + quality][:, None]
            target = alpha
            if train:
                gross = self.gross(coarse, alpha, hair)
                colour = recolour(colour)
                damaged = self.damage(coarse)
                if result:  # mostly the same damage again
                    later = self.random.get_state()
                    self.random.set_state(state)
                    damaged = torch.where(same_damage, self.damage(coarse), damaged)
                    self.random.set_state(later)
                coarse = damaged
                hair = torch.where(no_hair, 0, hair)
                target = torch.where(gross, coarse, alpha)
            picture = self.camera(alpha * colour + (1 - alpha) * room, *camera)
            result.append((torch.cat([picture, coarse, hair], 1), target))
        return result

    @staticmethod
    def gross(coarse, alpha, hair):
        """What bgcam misses altogether (an arm, say; but not a lock of hair), which is not the refiner's business."""
        error = F.avg_pool2d((coarse - alpha).abs(), 9, 1, 4, count_include_pad=False)
        return (F.max_pool2d(error, 17, 1, 8) > 0.5) & (hair < 0.3)


def load(folder, device):
    """All crops, on the device, and whose they are."""
    files = sorted(glob.glob(f"{folder}/shard_*.npz"))
    shards = [np.load(f) for f in files]
    who = np.concatenate([s["who"] for s in shards])
    crops = torch.empty((len(who), *shards[0]["crops"].shape[1:]), dtype=torch.uint8, device=device)
    at = 0
    for shard in shards:
        part = torch.from_numpy(shard["crops"])
        crops[at : at + len(part)] = part.to(device)
        at += len(part)
    return crops, who


def gradients(v):
    return v[..., 1:, :-1] - v[..., :-1, :-1], v[..., :-1, 1:] - v[..., :-1, :-1]


def losses(net, moments, inputs, args):
    """Error in the band, error of the gradients, harm done and unsteadiness."""
    weights, raw, clipped = [], [], []
    for x, _ in moments:
        weights.append(band(x[:, 3:4]))
        p = net(x[:, :inputs])
        raw.append(p)
        clipped.append(p + 0.9 * (p.clamp(0, 1) - p))  # a little slope is left beyond 0 and 1
    total = 0
    for (x, y), w, p in zip(moments, weights, clipped):
        coarse, hair = x[:, 3:4], x[:, 4:5]
        away = 1 - ((hair - 0.2) / 0.3).clamp(0, 1)
        m = w * (1 + ((y > 0.03) & (y < 0.97)).float())
        error = p - y
        shape = (((error * error + 1e-5).sqrt() + 2 * error * error) * m).mean() / m.mean()
        slope = sum(((a - b).abs() * m[..., :-1, :-1]).mean() for a, b in zip(gradients(p), gradients(y))) / m.mean()
        harm = F.relu(error.abs() - (coarse - y).abs() - 0.005)
        harm = (harm * w * (1 + args.away * away)).mean() / m.mean()
        small = ((p - coarse).abs() * w * away).mean() / m.mean()  # without hair, rather leave things as they are
        total = total + 0.5 * (shape + 0.5 * slope + args.harm * harm + args.still * small)
    w = torch.minimum(weights[0], weights[1])
    change = (clipped[1] - clipped[0]) - (moments[1][1] - moments[0][1])
    steady = (((change * change + 1e-5).sqrt() + 2 * change * change) * w).mean() / w.mean()
    return total + args.temporal * steady


@torch.no_grad()
def validate(net, augmenter, indices, inputs):
    """Errors in thousandths: band, soft pixels, away from hair, from moment to moment; of the coarse alpha and the refined one."""
    sums = np.zeros((2, 4))
    counts = np.zeros(4)
    for start in range(0, len(indices), 64):
        moments = augmenter.batch(indices[start : start + 64], train=False)
        refined = []
        for x, y in moments:
            coarse, hair, w = x[:, 3:4], x[:, 4:5], band(x[:, 3:4])
            p = coarse + w * (net(x[:, :inputs]).clamp(0, 1) - coarse)
            refined.append(p)
            masks = (w, ((y > 0.05) & (y < 0.95)).float(), w * (hair < 0.2).float())
            for k, m in enumerate(masks):
                counts[k] += m.sum().item()
                for j, v in enumerate((coarse, p)):
                    sums[j, k] += ((v - y).abs() * m).sum().item()
        (x0, y0), (x1, y1) = moments
        w = torch.minimum(band(x0[:, 3:4]), band(x1[:, 3:4]))
        counts[3] += w.sum().item()
        for j, (a, b) in enumerate(((x0[:, 3:4], x1[:, 3:4]), refined)):
            sums[j, 3] += (((b - a) - (y1 - y0)).abs() * w).sum().item()
    return 1e3 * sums / np.maximum(counts, 1)


def train(args):
    torch.manual_seed(args.seed)
    device = torch.device(args.device)
    if args.threads:
        torch.set_num_threads(args.threads)
    crops, who = load(args.data, device)
    everyone = np.arange(len(who))
    chosen = everyone if args.all else np.flatnonzero(who != 7)
    training = torch.from_numpy(chosen).to(device)
    validation = torch.from_numpy(np.flatnonzero(who == 7)[:384]).to(device)
    augmenter = Augmenter(crops, torch.Generator(device).manual_seed(args.seed))
    steady = Augmenter(crops, torch.Generator(device).manual_seed(0))
    inputs = 5 if args.hair else 4
    net = Refiner(inputs, args.channels).to(device)
    if args.init:
        net.load_state_dict(torch.load(args.init, map_location=device)["weights"])
    print(f"{len(training)} crops, {sum(p.numel() for p in net.parameters())} parameters", flush=True)
    optimiser = torch.optim.AdamW(net.parameters(), lr=args.rate, weight_decay=1e-4)
    average = Refiner(inputs, args.channels).to(device)
    average.load_state_dict(net.state_dict())
    start, step, reported = time.time(), 0, -1
    while True:
        progress = (time.time() - start) / 60 / args.minutes if args.minutes else step / args.steps
        if progress >= 1:
            break
        rate = args.rate * (min(1, step / 200) * (0.5 + 0.5 * np.cos(np.pi * progress)) + 0.005)
        for group in optimiser.param_groups:
            group["lr"] = rate
        net.dead = average.dead = args.dead * (1 if args.init else min(1, max(0, (progress - 0.1) / 0.3)))
        picked = torch.randint(0, len(training), (args.batch,), device=device)
        moments = augmenter.batch(training[picked])
        loss = losses(net, moments, inputs, args)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        step += 1
        keep = min(0.999, step / (step + 20))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(net.parameters()), 1 - keep)
        if int(progress * args.reports) != reported:
            reported = int(progress * args.reports)
            report(step, start, loss, average, steady, validation, inputs)
    net.dead = average.dead = args.dead
    report(step, start, loss, average, steady, validation, inputs)
    average.to("cpu")
    torch.save(
        {"inputs": inputs, "channels": args.channels, "dead": args.dead, "weights": average.state_dict()},
        args.out[:-5] + ".pt",
    )
    export(average.eval(), inputs, args.out)


def report(step, start, loss, net, augmenter, validation, inputs):
    before, after = validate(net, augmenter, validation, inputs) if len(validation) else np.zeros((2, 4))
    figures = "  ".join(f"{n} {a:.1f} -> {b:.1f}" for n, a, b in zip(("band", "soft", "away", "change"), before, after))
    print(f"{step} steps, {time.time() - start:.0f} s, loss {loss.item():.4f}; P007: {figures}", flush=True)


def export(net, inputs, path):
    """Writes the network as ONNX by hand: fewer and simpler nodes than an exporter makes. Checks it against torch."""
    weights = {k: v.detach().numpy() for k, v in net.state_dict().items()}
    nodes, constants = [], []

    def constant(name, value):
        constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(kind, sources, name, **attributes):
        nodes.append(helper.make_node(kind, sources, [name], **attributes))
        return name

    half = constant("half", np.float32(0.5))
    centred = node("Sub", ["x", half], "centred")
    # pixel_unshuffle orders channels c*16 + dy*4 + dx, SpaceToDepth (dy*4 + dx)*inputs + c: turn the weights.
    first = weights["first.weight"].reshape(-1, inputs, 16).transpose(0, 2, 1).reshape(-1, 16 * inputs, 1, 1)
    cells = node("SpaceToDepth", [centred], "cells", blocksize=CELL)
    features = node(
        "Conv", [cells, constant("w0", np.ascontiguousarray(first)), constant("b0", weights["first.bias"])], "conv0"
    )
    features = node("Relu", [features], "features0")
    for n, d in enumerate(DILATIONS, 1):
        parameters = [
            constant(f"w{n}", weights[f"middle.{n - 1}.weight"]),
            constant(f"b{n}", weights[f"middle.{n - 1}.bias"]),
        ]
        new = node("Conv", [features, *parameters], f"conv{n}", pads=[d] * 4, dilations=[d, d], kernel_shape=[3, 3])
        features = node("Relu", [node("Add", [features, new], f"sum{n}")], f"features{n}")
    out = node("Conv", [features, constant("w5", weights["last.weight"]), constant("b5", weights["last.bias"])], "out")
    nodes.append(
        helper.make_node("Split", [out, constant("parts", np.int64([5, 16]))], ["coefficients", "details"], axis=1)
    )
    scales = constant("scales", np.float32([1, 1, CELL, CELL]))
    linear = node(
        "Resize", ["coefficients", "", scales], "linear", mode="linear", coordinate_transformation_mode="half_pixel"
    )
    nodes.append(helper.make_node("Split", [linear, constant("four_one", np.int64([4, 1]))], ["slope", "bias"], axis=1))
    picture = "centred"
    if inputs > 4:
        nodes.append(
            helper.make_node(
                "Split", ["centred", constant("four_rest", np.int64([4, inputs - 4]))], ["picture", "rest"], axis=1
            )
        )
        picture = "picture"
    product = node("Mul", ["slope", picture], "product")
    change = node("ReduceSum", [product, constant("axis", np.int64([1]))], "dot", keepdims=1)
    change = node(
        "Add",
        [
            node("Add", [change, "bias"], "with_bias"),
            node("DepthToSpace", ["details"], "pixels", blocksize=CELL, mode="CRD"),
        ],
        "change",
    )
    change = node("Shrink", [change], "shrunk", bias=float(net.dead), lambd=float(net.dead))
    coarse = node(
        "Slice",
        ["x", constant("from", np.int64([3])), constant("to", np.int64([4])), constant("channel", np.int64([1]))],
        "coarse",
    )
    node(
        "Clip",
        [node("Add", [change, coarse], "sum"), constant("zero", np.float32(0)), constant("one", np.float32(1))],
        "alpha",
    )
    graph = helper.make_graph(
        nodes,
        "refiner",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", inputs, "height", "width"])],
        [helper.make_tensor_value_info("alpha", TensorProto.FLOAT, ["n", 1, "height", "width"])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)

    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read by the import
    import onnxruntime

    x = np.random.default_rng(0).random((2, inputs, 64, 96), np.float32)
    with torch.no_grad():
        expected = net(torch.from_numpy(x)).clamp(0, 1).numpy()
    difference = np.abs(onnxruntime.InferenceSession(path).run(None, {"x": x})[0] - expected).max()
    print(f"{path}: largest difference to torch {difference:.1e}")
    assert difference < 1e-3


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--minutes", type=float, help="instead of --steps")
    parser.add_argument("--steps", type=int, default=20000)
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--hair", action="store_true", help="probability of hair as a fifth input")
    parser.add_argument("--temporal", type=float, default=1.0, help="weight of steadiness")
    parser.add_argument("--harm", type=float, default=1.0, help="weight of making alpha worse than it was")
    parser.add_argument("--away", type=float, default=2.0, help="how much more harm counts away from hair")
    parser.add_argument("--still", type=float, default=0.1, help="weight of any change away from hair")
    parser.add_argument("--dead", type=float, default=0.02, help="smaller changes of alpha are dropped")
    parser.add_argument("--batch", type=int, default=96, help="pairs")
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--init", help="start with these weights (.pt)")
    parser.add_argument("--all", action="store_true", help="train on P007 too")
    parser.add_argument("--reports", type=int, default=8)
    train(parser.parse_args())


if __name__ == "__main__":
    main()

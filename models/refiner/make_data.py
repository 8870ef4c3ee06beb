#!/usr/bin/env python3
"""Makes training crops: short clips of people in rooms, with the coarse alpha that bgcam gives for them.

    make_data.py CUTOUTS OUT BGCAM HAIR.onnx [--clips 500] [--minutes M] [--workers N] [--seed S]

CUTOUTS comes from cutouts.py. BGCAM is the program (BGCAM_ONNXRUNTIME as usual). HAIR.onnx is a multiclass model that outputs alpha
and hair, or all its six classes (as tflite_to_onnx.py makes it). OUT receives one shard_NNNNN.npz for every clip:

    crops   uint8, n x 19 x 128 x 128: a place at two moments, 1/30 s apart (see CHANNELS)
    who     number of the person (1..7)

The camera picture is not stored: train.py composes it, each time with other colours and noise. bgcam saw the one made here.
A clip takes about 6 s on one core.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import tempfile
import time

import cv2
import numpy as np

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read by the import
import onnxruntime

WIDTH, HEIGHT, CROP, FRAMES = 1280, 720, 128, 12
PAIRS = ((5, 6), (7, 8), (10, 11))  # the frames that are used; those before let bgcam settle
QUALITIES = ("eco", "balanced", "high")
# Of each moment: the person's colour, true alpha, bgcam's alpha in three qualities, probability of hair. Then the room.
CHANNELS = 2 * (3 + 1 + len(QUALITIES) + 1) + 3
PLAIN_SHIRTS = [
    (0.42, 0.42, 0.42),
    (0.42, 0.25, 0.18),
    (0.25, 0.42, 0.4),
    (0.2, 0.16, 0.5),
    (0.15, 0.14, 0.14),
    (0.62, 0.45, 0.34),
]


def load(path):
    """Premultiplied BGRA, float 0..1."""
    colour = cv2.imread(f"{path}.jpg").astype(np.float32) / 255
    alpha = cv2.imread(f"{path}.png", cv2.IMREAD_GRAYSCALE)[..., None].astype(np.float32) / 255
    return np.dstack([colour * alpha, alpha])


def texture(rng, shape):
    """Cloth: plain, striped, checked or mottled, BGR 0..1."""
    base = np.float32(PLAIN_SHIRTS[rng.integers(6)] if rng.random() < 0.5 else rng.uniform(0.1, 1, 3))
    kind = rng.choice(["plain", "stripes", "checks", "mottled"], p=[0.5, 0.2, 0.15, 0.15])
    other = np.float32(rng.uniform(0.1, 1, 3))
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    period, angle = rng.uniform(8, 60), rng.uniform(0, np.pi)
    along = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period)
    across = np.sin((y * np.cos(angle) - x * np.sin(angle)) * 2 * np.pi / period)
    if kind == "stripes":
        mix = along > rng.uniform(-0.5, 0.5)
    elif kind == "checks":
        mix = 0.5 * (along > 0) + 0.5 * (across > 0)
    elif kind == "mottled":
        size = (max(2, shape[1] // 12), max(2, shape[0] // 12))
        mix = cv2.resize(rng.random(size[::-1], np.float32), shape[1::-1], interpolation=cv2.INTER_CUBIC).clip(0, 1)
    else:
        mix = np.zeros(shape[:2])
    mix = np.float32(mix)[..., None]
    return base * (1 - mix) + other * mix


def dye(person, rng):
    """Replaces the white of the clothes."""
    alpha = person[..., 3:]
    colour = person[..., :3]
    brightest, spread = colour.max(-1), np.ptp(colour, -1)
    rows = np.arange(person.shape[0])[:, None] / person.shape[0]
    white = (
        (brightest > 0.45 * np.maximum(alpha[..., 0], 0.3)) & (spread < 0.13) & (rows > 0.3) & (alpha[..., 0] > 0.3)
    ).astype(np.uint8)
    white = cv2.morphologyEx(white, cv2.MORPH_OPEN, np.ones((5, 5)))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(white)
    large = [k for k in range(1, len(stats)) if stats[k, 4] > 0.01 * white.size]
    cloth = cv2.morphologyEx(np.isin(labels, large).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((13, 13)))
    outside = (alpha[..., 0] < 0.9).astype(np.uint8)  # the rim is of the cloth's colour too
    cloth = cv2.dilate(cloth, np.ones((5, 5))) | cv2.dilate(cloth, np.ones((15, 15))) & outside
    soft = cv2.GaussianBlur(cloth.astype(np.float32), (0, 0), 1.2)[..., None]
    return np.dstack([colour * (1 - soft + soft * texture(rng, person.shape)), alpha])


def extend(person, slope=4.0):
    """More body than the cutout has: falling shoulders beside it, its last row going on below."""
    height, width = person.shape[:2]
    side, down = int(0.3 * width), int(2.2 * height)
    last = person[-6:].mean(0)
    person = np.vstack([person, np.broadcast_to(last, (down, width, 4))]).astype(np.float32)
    rows = np.arange(height + down)[:, None]
    pads = []
    for left in (True, False):
        mirrored = person[:, :side][:, ::-1] if left else person[:, -side:][:, ::-1]
        border = person[:, 3 if left else -4, 3]
        body = (border > 0.5) & (rows[:, 0] > 0.45 * height)
        first = int(np.argmax(body)) if body.any() else 9 * height
        distance = np.arange(side)[None, :: -1 if left else 1]
        alpha = np.clip((rows - first) / slope - distance + 0.5, 0, 1) * (rows >= first)
        near = (
            person[min(first + 10, person.shape[0] - 1) :, :60]
            if left
            else person[min(first + 10, person.shape[0] - 1) :, -60:]
        )
        solid = near[near[..., 3] > 0.95]
        plain = np.median(solid[:, :3], 0) if len(solid) else np.float32([0.5] * 3)
        colour = np.where(mirrored[..., 3:] > 0.9, mirrored[..., :3] / np.maximum(mirrored[..., 3:], 1e-3), plain)
        pads.append(np.dstack([colour * alpha[..., None], alpha]).astype(np.float32))
    return np.hstack([pads[0], person, pads[1]]), side


def put_over(below, mask, colour):
    """A shape of one colour, its mask 0..1, over a premultiplied picture."""
    mask = mask[..., None]
    return np.concatenate([np.float32(colour) * mask, mask], -1) + (1 - mask) * below


def wear_headphones(person, head, rng):
    """Band and cups around the head; hard edges beside hair."""
    top, chin, middle = head["top"], head["chin"], head["middle"]
    tall = chin - top
    wide = tall * rng.uniform(0.4, 0.5)
    height, width = person.shape[:2]
    colour = np.float32(rng.uniform(0.02, 0.25, 3) if rng.random() < 0.6 else rng.uniform(0, 1, 3))
    centre = (int(middle), int(top + 0.52 * tall))
    thick = max(2, int(tall * rng.uniform(0.04, 0.09)))
    band = np.zeros((height, width), np.uint8)
    cv2.ellipse(band, centre, (int(wide), int(0.56 * tall)), 0, 180, 360, 255, thick, cv2.LINE_AA)
    person = put_over(person, band.astype(np.float32) / 255, colour)
    shade = np.linspace(0.7, 1.3, height, dtype=np.float32)[:, None, None]
    cups = np.zeros((height, width), np.uint8)
    for sign in (-1, 1):
        at = (int(middle + sign * wide), int(top + 0.56 * tall))
        cv2.ellipse(
            cups,
            at,
            (int(tall * rng.uniform(0.06, 0.11)), int(tall * rng.uniform(0.13, 0.19))),
            0,
            0,
            360,
            255,
            -1,
            cv2.LINE_AA,
        )
    return put_over(
        person, cups.astype(np.float32) / 255, np.clip(colour * shade, 0, 1) * np.ones((1, width, 1), np.float32)
    )


def make_object(rng):
    """Something to hold: a rounded or angular thing with a texture, premultiplied."""
    height, width = rng.integers(90, 260, 2)
    mask = np.zeros((height + 8, width + 8), np.uint8)
    if rng.random() < 0.5:
        cv2.ellipse(mask, (width // 2 + 4, height // 2 + 4), (width // 2, height // 2), 0, 0, 360, 255, -1, cv2.LINE_AA)
    else:
        cv2.rectangle(mask, (4, 4), (width + 3, height + 3), 255, -1)
    colour = (
        texture(rng, mask.shape) * np.linspace(*rng.uniform(0.6, 1.2, 2), mask.shape[1], dtype=np.float32)[None, :, None]
    )
    alpha = mask[..., None].astype(np.float32) / 255
    return np.dstack([np.clip(colour, 0, 1) * alpha, alpha]).astype(np.float32)


class Layer:
    """A cutout with a motion of its own."""

    def __init__(self, picture, anchor, at, scale, angle, rng, speed, flip=False):
        if flip:
            picture = picture[:, ::-1]
            anchor = (picture.shape[1] - 1 - anchor[0], anchor[1])
        self.levels = [np.ascontiguousarray(picture)]
        while min(self.levels[-1].shape[:2]) > 64 and len(self.levels) < 8:
            self.levels.append(cv2.resize(self.levels[-1], None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA))
        self.anchor, self.at, self.scale, self.angle = anchor, np.float64(at), scale, angle
        self.swing = rng.normal(0, 1, 2) * speed * (0.03 * WIDTH, 0.012 * HEIGHT)
        self.turn, self.zoom = rng.normal(0, 2.5 * speed), rng.normal(0, 0.02 * speed)
        self.lean = rng.normal(0, 0.1, 2)
        self.rates, self.phases = rng.uniform(0.2, 0.8, 4), rng.uniform(0, 2 * np.pi, 4)

    def pose(self, t):
        wave = np.sin(2 * np.pi * self.rates * t + self.phases)
        return (
            self.at + self.swing * wave[:2],
            self.angle + self.turn * wave[2],
            self.scale * (1 + self.zoom * wave[3]),
            wave,
        )

    def shot(self, t):
        at, angle, scale, wave = self.pose(t)
        level = 0
        while level + 1 < len(self.levels) and 0.75 ** (level + 1) >= scale * 1.02:
            level += 1
        picture = self.levels[level]
        fx = picture.shape[1] / self.levels[0].shape[1]
        fy = picture.shape[0] / self.levels[0].shape[0]
        c, s = np.cos(np.radians(angle)) * scale, np.sin(np.radians(angle)) * scale
        yaw, pitch = self.lean * (1, wave[3])
        turn = np.array([[c * (1 - 0.3 * abs(yaw)), -s, 0], [s, c, 0], [yaw * 4e-4, pitch * 4e-4, 1]])
        move = np.array([[1, 0, at[0]], [0, 1, at[1]], [0, 0, 1]])
        origin = np.array([[1, 0, -self.anchor[0]], [0, 1, -self.anchor[1]], [0, 0, 1]])
        matrix = move @ turn @ origin @ np.diag([1 / fx, 1 / fy, 1])
        return cv2.warpPerspective(picture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)

    def exposure(self, t, shutter):
        """Several shots while the shutter is open, as many as the motion needs."""
        start, end = self.pose(t), self.pose(t + shutter)
        way = np.hypot(*(end[0] - start[0])) + abs(np.radians(end[1] - start[1])) * 200
        shots = int(np.clip(np.ceil(way / 1.5), 1, 7))
        total = self.shot(t)
        for k in range(1, shots):
            total = total + self.shot(t + shutter * k / shots)
        return total / shots


def light(picture, gain, gamma, warmth):
    return np.clip(picture, 0, 1) ** np.float32(gamma) * np.float32(gain) * np.float32([1 - warmth, 1, 1 + warmth])


def sensor(picture, rng, noise, quality):
    """Noise, chroma noise, JPEG. Float to uint8."""
    height, width = picture.shape[:2]
    grain = rng.standard_normal((height, width, 1), dtype=np.float32) * 0.8
    blotches = cv2.resize(rng.standard_normal((height // 2, width // 2, 3), dtype=np.float32), (width, height)) * 0.8
    noisy = picture + (grain + blotches) * np.float32(noise / 255) * (0.6 + 0.7 * np.sqrt(np.clip(picture, 0, 1)))
    eight_bit = np.rint(np.clip(noisy, 0, 1) * 255).astype(np.uint8)
    return cv2.imdecode(cv2.imencode(".jpg", eight_bit, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


class Scene:
    """A person in a room, at random."""

    def __init__(self, folder, index, rng):
        self.rng = rng
        people = [f"P{n:03d}" for n in range(1, 8)]
        usable = {}
        for name, entry in index.items():
            if name[:4] in people and not entry["cut_aside"]:
                usable.setdefault((name[:4], name[5:8]), []).append(name)
        while True:
            self.person = people[rng.integers(7)]
            kind = ("por", "fac", "emo", "bod")[rng.choice(4, p=[0.35, 0.3, 0.15, 0.2])]
            if (self.person, kind) in usable:
                break
        names = usable[self.person, kind]
        name = names[rng.integers(len(names))]
        head = dict(index[name])
        picture = load(f"{folder}/cut/{name}")
        if rng.random() < 0.8:
            picture = dye(picture, rng)
        picture, pad = extend(picture)
        head["middle"] += pad
        if rng.random() < 0.2:
            picture = wear_headphones(picture, head, rng)
        tall = head["chin"] - head["top"]
        share = (
            rng.uniform(0.25, 0.4) if kind == "bod" else rng.uniform(0.3, 0.48) if kind != "por" else rng.uniform(0.3, 0.62)
        )
        scale = share * HEIGHT / tall
        top = -0.01 if head["cut_above"] else rng.uniform(0.04, 0.2)
        at = (rng.uniform(0.38, 0.62) * WIDTH, top * HEIGHT + share * HEIGHT / 2)
        speed = rng.choice([0.03, 1, 2.5], p=[0.2, 0.55, 0.25])
        anchor = (head["middle"], (head["top"] + head["chin"]) / 2)
        self.layers = [Layer(picture, anchor, at, scale, rng.normal(0, 3), rng, speed, rng.random() < 0.5)]
        self.add_things(folder, at, share * HEIGHT, speed)
        self.choose_look(folder, people)

    def add_things(self, folder, at, head, speed):
        """Hands and things in front of the person or beside."""
        rng = self.rng
        if rng.random() < 0.25:
            thing = make_object(rng)
            where = (at[0] + rng.normal(0, 1) * head, at[1] + rng.uniform(0.3, 1.3) * head)
            middle = (thing.shape[1] / 2, thing.shape[0] / 2)
            self.layers.append(
                Layer(thing, middle, where, head / 260 * rng.uniform(0.5, 1.2), rng.normal(0, 20), rng, speed)
            )
        for _ in range(rng.choice(3, p=[0.45, 0.35, 0.2])):
            arm = load(f"{folder}/arm/{self.person}_{('left', 'right')[rng.integers(2)]}")
            long = arm.shape[0]
            wanted = head * rng.uniform(1.3, 2.2)  # upright, the hand at the end of the picture points upwards
            where = (at[0] + rng.choice([-1, 1]) * rng.uniform(0.2, 1.5) * head, at[1] + rng.uniform(-0.3, 1.0) * head)
            self.layers.append(
                Layer(arm, (arm.shape[1] / 2, 0.9 * long), where, wanted / long, 180 + rng.normal(0, 35), rng, 1.5 * speed)
            )

    def choose_look(self, folder, people):
        rng = self.rng
        rooms = sorted(f for f in os.listdir(f"{folder}/room") if f[:4] in people)
        room = cv2.imread(f"{folder}/room/{rooms[rng.integers(len(rooms))]}").astype(np.float32) / 255
        if rng.random() < 0.2:  # a plain wall with a little of the photo's light
            room = cv2.GaussianBlur(room, (0, 0), 120) * 0.5 + np.float32(rng.uniform(0.1, 0.5, 3))
        if rng.random() < 0.5:
            room = room[:, ::-1]
        defocus = rng.choice([0, 0.8, 1.5, 3.0, 6.0], p=[0.25, 0.3, 0.2, 0.15, 0.1])
        if defocus:
            room = cv2.GaussianBlur(room, (0, 0), defocus)
        gain = np.exp(rng.normal(0, 0.25))
        self.light = (
            np.clip(gain * np.exp(rng.normal(0, 0.12)), 0.35, 1.2),
            np.exp(rng.normal(0, 0.12)),
            rng.normal(0, 0.04),
        )
        room_gain = np.clip(gain * np.exp(rng.normal(0, 0.25)), 0.25, 1.3)
        self.room = np.clip(light(room, room_gain, np.exp(rng.normal(0, 0.15)), rng.normal(0, 0.05)), 0, 1)
        self.blur, self.noise = rng.uniform(0.4, 1.1), np.exp(rng.normal(0.55, 0.45))
        self.quality, self.start = int(rng.integers(72, 95)), rng.uniform(0, 5)

    def frame(self, n):
        """Camera picture, the person's colour (both uint8 BGR), true alpha (uint8)."""
        t, shutter = self.start + n / 30, 0.5 / 30
        total = self.layers[0].exposure(t, shutter)
        for layer in self.layers[1:]:
            above = layer.exposure(t, shutter)
            total = above + (1 - above[..., 3:]) * total
        total = cv2.GaussianBlur(total, (0, 0), self.blur)
        alpha = np.rint(np.clip(total[..., 3:], 0, 1) * 255) / np.float32(255)
        near = cv2.blur(total, (9, 9))  # where alpha is 0 no colour is known; near the edge, that of the edge
        colour = np.where(
            total[..., 3:] > 0.01,
            total[..., :3] / np.maximum(total[..., 3:], 1e-3),
            near[..., :3] / np.maximum(near[..., 3:], 1e-3),
        )
        colour = np.clip(light(colour, *self.light), 0, 1)
        camera = sensor(alpha * colour + (1 - alpha) * self.room, self.rng, self.noise, self.quality)
        return camera, np.rint(colour * 255).astype(np.uint8), np.rint(alpha[..., 0] * 255).astype(np.uint8)


def read_masks(path):
    """All frames of a Y4M file's luma."""
    with open(path, "rb") as file:
        data = file.read()
    head = data.index(b"\n") + 1
    fields = data[:head].decode().split()
    size = WIDTH * HEIGHT if any(f.startswith("Cmono") for f in fields) else WIDTH * HEIGHT * 3 // 2
    step = size + len(b"FRAME\n")
    starts = range(head + len(b"FRAME\n"), len(data), step)
    return [np.frombuffer(data, np.uint8, WIDTH * HEIGHT, s).reshape(HEIGHT, WIDTH) for s in starts]


def coarse_alphas(bgcam, cameras, folder):
    """bgcam's alpha of every frame, in each quality."""
    with open(f"{folder}/in.y4m", "wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F30:1 Ip A1:1 C420jpeg\n".encode())
        for camera in cameras:
            file.write(b"FRAME\n" + cv2.cvtColor(camera, cv2.COLOR_BGR2YUV_I420).tobytes())
    result = []
    for quality in QUALITIES:
        command = [bgcam, "render", f"{folder}/in.y4m", f"{folder}/out.y4m", "--mask", f"{folder}/mask.y4m"]
        command += ["--background", "#808080", "--quality", quality]
        environment = os.environ | {"XDG_CONFIG_HOME": f"{folder}/none"}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        result.append(read_masks(f"{folder}/mask.y4m"))
    return result


class HairModel:
    """The probability of hair, spread over its surroundings."""

    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options)
        self.name = self.session.get_inputs()[0].name

    def __call__(self, rgb):
        small = cv2.resize(rgb, (256, 256), interpolation=cv2.INTER_AREA).astype(np.float32) / 127.5 - 1
        output = self.session.run(None, {self.name: np.ascontiguousarray(small.transpose(2, 0, 1)[None])})[0][0]
        if len(output) == 2:  # alpha and hair
            probability = output[1]
        else:  # six classes
            odds = np.exp(output - output.max(0))
            probability = odds[1] / odds.sum(0)
        hair = cv2.GaussianBlur(cv2.dilate(probability, np.ones((9, 9))), (0, 0), 3)
        return np.rint(cv2.resize(hair, rgb.shape[1::-1]) * 255).astype(np.uint8)


def choose_places(rng, alpha, coarse, count):
    """Corners of crops: most where alpha is soft or the coarse one errs, a third anywhere along the edge."""
    true = alpha.astype(np.float32) / 255
    soft = ((true > 0.05) & (true < 0.95)).astype(np.float32)
    error = np.abs(coarse[2].astype(np.float32) / 255 - true) + 0.5 * np.abs(coarse[0].astype(np.float32) / 255 - true)
    edge = ((cv2.dilate(alpha, np.ones((9, 9))) > 20) & (cv2.erode(alpha, np.ones((9, 9))) < 235)).astype(np.float32)
    weight = cv2.boxFilter(soft + 2 * error, -1, (49, 49)) ** 0.7 * edge
    half = CROP // 2
    places = []
    for n in range(count):
        w = (edge if n % 3 == 0 else weight)[half:-half, half:-half].ravel().astype(np.float64)
        if w.sum() > 0:
            y, x = divmod(int(rng.choice(w.size, p=w / w.sum())), WIDTH - CROP)
            places.append((y & ~3, x & ~3))
    return places


def make_clip(folder, index, bgcam, hair, seed, crops):
    """Crops and number of the person of one random clip."""
    rng = np.random.default_rng(seed)
    scene = Scene(folder, index, rng)
    frames = [scene.frame(n) for n in range(FRAMES)]
    with tempfile.TemporaryDirectory() as temporary:
        coarse = coarse_alphas(bgcam, [f[0] for f in frames], temporary)
    room = np.rint(scene.room * 255).astype(np.uint8)
    result = []
    for pair in PAIRS:
        planes = []
        for n in pair:
            camera, colour, alpha = frames[n]
            planes += [colour[..., ::-1], alpha, *(masks[n] for masks in coarse), hair(camera[..., ::-1])]
        planes = np.dstack(planes + [room[..., ::-1]]).transpose(2, 0, 1)
        for y, x in choose_places(rng, frames[pair[1]][2], [masks[pair[1]] for masks in coarse], crops):
            result.append(planes[:, y : y + CROP, x : x + CROP])
    return np.stack(result), int(scene.person[1:])


def work(args, worker, start):
    """Every args.workers-th clip, until all are made or time is up."""
    cv2.setNumThreads(1)
    with open(f"{args.cutouts}/cutouts.json") as file:
        index = json.load(file)
    hair = HairModel(args.hair)
    for n in range(worker, args.clips, args.workers):
        if args.minutes and time.time() - start > args.minutes * 60:
            break
        crops, who = make_clip(args.cutouts, index, args.bgcam, hair, [args.seed, n], args.crops)
        np.savez(f"{args.out}/.{n:05d}.npz", crops=crops, who=np.full(len(crops), who, np.uint8))
        os.replace(f"{args.out}/.{n:05d}.npz", f"{args.out}/shard_{n:05d}.npz")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("cutouts", "out", "bgcam", "hair"):
        parser.add_argument(name)
    parser.add_argument("--clips", type=int, default=500)
    parser.add_argument("--crops", type=int, default=9, help="places for each of the three pairs of a clip")
    parser.add_argument("--minutes", type=float, help="stop after this time, even with fewer clips")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    start = time.time()
    workers = [multiprocessing.Process(target=work, args=(args, n, start)) for n in range(args.workers)]
    for process in workers:
        process.start()
    for process in workers:
        process.join()
    made = len([f for f in os.listdir(args.out) if f.startswith("shard_")])
    print(f"{made} clips in {time.time() - start:.0f} s")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Cuts people, arms and empty rooms out of the pictures of the package openpeople.

    cutouts.py CURATED OUT MULTICLASS.onnx HAIR.onnx [--people P001,P002]

CURATED is openpeople/data/curated of the package openpeople 0.1.2 (MIT; the people are generated, none is real). MULTICLASS.onnx
is bgcam's models/selfie_multiclass.onnx, HAIR.onnx the same with all six classes (see make_data.py). OUT receives, for every person:

    cut/P001_portrait, P001_face00.., P001_emo00.., P001_body    a person, as NAME.jpg (colour) and NAME.png (alpha)
    arm/P001_left, P001_right                                    a bare forearm with its hand, the same pair of files
    room/P001_selfie_a.jpg ...                                   1280x720, without a person
    cutouts.json                                                 sizes and where the head is

The studio pictures stand in front of a smooth grey backdrop that can be fitted, so alpha has one unknown less than usual:

1. fit the backdrop B to what is surely backdrop;
2. where it is neither surely backdrop nor surely person, take colours F of the person nearby that explain the pixel best as a
   mixture of F and B;
3. smooth this alpha with the closed-form matting Laplacian, each pixel weighted by how well it was explained;
4. compute the person's own colour with the known B;
5. away from hair, make everything opaque but a rim of three pixels: skin can look like the backdrop.

Takes about 12 minutes for seven people on one core.
"""

import argparse
import json
import os

import cv2
import numba
import numpy as np

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read by the import
import onnxruntime
import scipy.sparse
from make_data import HairModel
from pymatting import cf_laplacian, cg, estimate_foreground_ml, ichol
from scipy import ndimage

# Where the bare arms are in studio_posture.jpg: x0, x1 of the left and of the right one, and y0, y1 of both.
ARMS = {
    "P001": ((444, 572), (975, 1094), (850, 1703)),
    "P002": ((417, 539), (983, 1127), (881, 1681)),
    "P003": ((434, 547), (981, 1122), (860, 1662)),
    "P004": ((448, 573), (970, 1092), (953, 1744)),
    "P005": ((390, 538), (1000, 1150), (944, 1709)),
    "P006": ((427, 539), (983, 1108), (850, 1678)),
    "P007": ((397, 547), (975, 1131), (928, 1719)),
}
# Where the chin is, in the portraits (of 1024 rows).
UNUSABLE = {"P003_face02"}  # backdrop left beside the hair
CHINS = {"P001": 706, "P002": 717, "P003": 614, "P004": 727, "P005": 614, "P006": 655, "P007": 645}


class Segmenter:
    """bgcam's multiclass model at 256x256: who is a person, roughly."""

    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options)
        self.name = self.session.get_inputs()[0].name

    def __call__(self, rgb):
        small = cv2.resize(rgb, (256, 256), interpolation=cv2.INTER_AREA).astype(np.float32)
        planes = (small / 127.5 - 1).transpose(2, 0, 1)[None]
        alpha = self.session.run(None, {self.name: np.ascontiguousarray(planes)})[0][0, 0]
        return cv2.resize(alpha, rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def fit_backdrop(image, person):
    """The backdrop without the person: a polynomial of degree 4, refitted four times to what it explains, then local corrections."""
    height, width = image.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    basis = np.stack([x**i * y**j for i in range(5) for j in range(5 - i)], -1)
    far = ndimage.binary_erosion(person < 0.1, iterations=max(2, width // 60), border_value=1)
    if far.mean() < 0.02:
        far = person < 0.1
    sure = far & (np.ptp(image, -1) < 0.08)
    smooth = cv2.blur(image, (5, 5))
    for _ in range(4):
        chosen = np.flatnonzero(sure)[:: max(1, sure.sum() // 40000)]
        a = basis.reshape(-1, basis.shape[-1])[chosen]
        ridge = a.T @ a + 1e-3 * np.eye(a.shape[1])
        backdrop = (basis @ np.linalg.solve(ridge, a.T @ image.reshape(-1, 3)[chosen])).astype(np.float32)
        off = np.abs(smooth - backdrop).max(-1)
        limit = max(0.012, 2.5 * np.median(off[sure]))
        near = (off < limit) & (np.abs(image - backdrop).max(-1) < 0.05)
        sure = near & ((person < 0.3) | (off < 0.7 * limit))
    sigma = width / 25
    mask = (ndimage.binary_erosion(sure, iterations=2) & (person < 0.2)).astype(np.float32)
    weight = cv2.GaussianBlur(mask, (0, 0), sigma) + 1e-4
    rest = cv2.GaussianBlur((image - backdrop) * mask[..., None], (0, 0), sigma) / weight[..., None]
    return backdrop + rest * np.clip(weight / 0.05, 0, 1)[..., None], sure


@numba.njit(cache=True, fastmath=True)
def explain(image, backdrop, todo, colours, ys, xs, starts, rows, columns, cell):
    """For every pixel of `todo`, the four of 48 random nearby colours that explain it best as a mixture with the backdrop.

    `colours` at (`ys`, `xs`) are sorted by grid cell; `starts` says where each cell begins. Returns alpha, confidence, colour.
    """
    height, width, _ = image.shape
    alpha = np.zeros((height, width), np.float32)
    confidence = np.zeros((height, width), np.float32)
    colour = np.zeros((height, width, 3), np.float32)
    random = 12345
    for n in range(todo.shape[0]):
        y, x = todo[n, 0], todo[n, 1]
        cost4 = np.full(4, 1e9)
        alpha4, length4, index4 = np.zeros(4), np.zeros(4), np.zeros(4, np.int64)
        found = 0
        for attempt in range(288):
            if found == 48:
                break
            reach = min(8, attempt // 8)
            random = (random * 1103515245 + 12345) & 0x7FFFFFFF
            row = y // cell + (random >> 8) % (2 * reach + 1) - reach
            random = (random * 1103515245 + 12345) & 0x7FFFFFFF
            column = x // cell + (random >> 8) % (2 * reach + 1) - reach
            if row < 0 or row >= rows or column < 0 or column >= columns:
                continue
            first, end = starts[row * columns + column], starts[row * columns + column + 1]
            if end <= first:
                continue
            random = (random * 1103515245 + 12345) & 0x7FFFFFFF
            k = first + (random >> 8) % (end - first)
            found += 1
            dot, square = 0.0, 1e-6
            for c in range(3):
                d = colours[k, c] - backdrop[y, x, c]
                dot += (image[y, x, c] - backdrop[y, x, c]) * d
                square += d * d
            a = min(1.0, max(0.0, dot / square))
            unexplained = 0.0
            for c in range(3):
                d = image[y, x, c] - a * colours[k, c] - (1 - a) * backdrop[y, x, c]
                unexplained += d * d
            distance = np.sqrt(float((ys[k] - y) ** 2 + (xs[k] - x) ** 2)) / (9 * cell)
            cost = np.sqrt(unexplained) / 0.02 + 0.5 * distance + 0.15 / np.sqrt(square)
            worst = np.argmax(cost4)
            if cost < cost4[worst]:
                cost4[worst], alpha4[worst], length4[worst], index4[worst] = cost, a, np.sqrt(square), k
        if found == 0:
            continue
        best = cost4.min()
        total, length = 0.0, 0.0
        for j in range(4):
            w = np.exp(best - cost4[j])
            total += w
            alpha[y, x] += w * alpha4[j]
            length += w * length4[j]
            if w > 0:
                for c in range(3):
                    colour[y, x, c] += w * colours[index4[j], c]
        alpha[y, x] /= total
        for c in range(3):
            colour[y, x, c] /= total
        confidence[y, x] = np.exp(-0.3 * best) * min(1.0, length / total / 0.15)
    return alpha, confidence, colour


def trimap(image, backdrop, sure, person):
    """What is surely backdrop and what surely person; and the difference to the backdrop."""
    unit = image.shape[1] / 1024
    square = ((image - backdrop) ** 2).sum(-1)
    difference, smooth = np.sqrt(square), np.sqrt(cv2.blur(square, (3, 3)))
    noise = max(0.006, np.median(difference[sure]))
    core = ndimage.binary_opening((smooth < 2.2 * noise) & (difference < 4.5 * noise), iterations=2)
    labels, _ = ndimage.label(core)
    large = np.flatnonzero(np.bincount(labels.ravel()) > 60 * unit**2 + 12)
    core = np.isin(labels, large[large > 0])
    inside = ndimage.distance_transform_edt(person > 0.5)
    core &= inside < 110 * unit + 4  # grey highlights far inside are not backdrop
    background = ndimage.binary_erosion(core, iterations=max(1, round(2 * unit)), border_value=1)
    from_core = ndimage.distance_transform_edt(~core)
    foreground = (person > 0.9) & (from_core > 26 * unit + 3) & (inside > 8 * unit)
    strong = ndimage.binary_erosion((smooth > 0.28) & (difference > 0.25), iterations=max(1, round(3 * unit)))
    foreground |= strong & (inside > 3 * unit)
    foreground |= inside > 120 * unit + 6
    return background, foreground & ~background, difference, smooth, noise


def solve(rgb, segmenter):
    """Alpha and the person's own colour, both float 0..1."""
    image, person = rgb.astype(np.float32) / 255, segmenter(rgb)
    height, width = image.shape[:2]
    unit = width / 1024
    backdrop, sure = fit_backdrop(image, person)
    background, foreground, difference, smooth, noise = trimap(image, backdrop, sure, person)
    unknown = ~background & ~foreground

    peaks = difference >= ndimage.maximum_filter(difference, size=max(3, int(9 * unit) | 1)) - 1e-6
    peaks &= (difference > 0.12) & unknown
    candidates = peaks | (foreground & (ndimage.distance_transform_edt(foreground) < 40 * unit + 3))
    cell = max(4, round(12 * unit))
    rows, columns = -(-height // cell), -(-width // cell)
    ys, xs = np.nonzero(candidates)
    key = (ys // cell) * columns + xs // cell
    order = np.argsort(key, kind="stable")
    ys, xs, key = ys[order], xs[order], key[order]
    starts = np.searchsorted(key, np.arange(rows * columns + 1))
    alpha, confidence, sample = explain(
        image, backdrop, np.argwhere(unknown), image[ys, xs], ys, xs, starts, rows, columns, cell
    )
    alpha[foreground] = 1
    alpha[background] = 0
    alpha[unknown & (smooth < 1.6 * noise)] *= 0.3

    weight = np.where(foreground | background, 100.0, 0.02 + 0.6 * confidence).ravel()
    system = (cf_laplacian(image.astype(np.float64), epsilon=1e-5, radius=1) + scipy.sparse.diags(weight)).tocsc()
    start = alpha.ravel().astype(np.float64)
    smoothed = cg(
        system, weight * start, x0=start, M=ichol(system, discard_threshold=1e-3), rtol=1e-5, maxiter=400
    ).reshape(height, width)
    alpha = np.where(confidence > 0.5, 0.5 * smoothed + 0.5 * alpha, smoothed)
    alpha = np.clip((alpha - 0.025) / 0.95, 0, 1)
    alpha[background] = 0

    labels, _ = ndimage.label(alpha > 0.02)  # no crumbs far from the person
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    other = labels != sizes.argmax()
    alpha[other & (ndimage.distance_transform_edt(other) >= 25 * unit)] = 0
    return alpha.astype(np.float32), own_colour(image, backdrop, alpha, foreground, confidence, sample)


def own_colour(image, backdrop, alpha, foreground, confidence, sample):
    """Exact, by the backdrop, where alpha is large; from samples and the multi-level estimate where it is small."""
    estimate = estimate_foreground_ml(image.astype(np.float64), alpha.astype(np.float64)).astype(np.float32)
    a = alpha[..., None].astype(np.float32)
    exact = (image - (1 - a) * backdrop) / np.maximum(a, 0.05)
    guess = np.where((confidence > 0.1)[..., None], 0.5 * sample + 0.5 * estimate, estimate)
    mix = np.clip((a - 0.35) / 0.4, 0, 1)
    colour = np.clip(mix * exact + (1 - mix) * guess, 0, 1)
    return np.where(foreground[..., None], image, colour)


def harden(alpha, hair):
    """Away from hair (its probability is `hair`, 0..1), opaque within and nothing without, but for a rim."""
    solid = cv2.morphologyEx(
        (alpha > 0.5).astype(np.uint8), cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    )
    rim = np.ones((7, 7), np.uint8)
    hard = np.where(cv2.erode(solid, rim), 1, np.where(cv2.dilate(solid, rim), np.clip((alpha - 0.1) / 0.7, 0, 1), 0))
    weight = np.clip((hair - 0.1) / 0.15, 0, 1)
    return (weight * alpha + (1 - weight) * hard).astype(np.float32)


def spread(colour, alpha):
    """Carries the person's colour outwards to where alpha is 0, so that JPEG and scaling see no edge."""
    result, done = np.zeros_like(colour), np.zeros(alpha.shape, np.float32)
    for step in (1, 2, 4, 16, 64):
        size = (max(1, alpha.shape[1] // step), max(1, alpha.shape[0] // step))
        scaled = [cv2.resize(v, size, interpolation=cv2.INTER_AREA) for v in (colour * alpha[..., None], alpha)]
        number, weight = (cv2.resize(v, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR) for v in scaled)
        new = np.clip(weight * (20 if step > 1 else 4), 0, 1) * (1 - done)
        result += new[..., None] * number / np.maximum(weight, 1e-4)[..., None]
        done += new
    return result + 0.4 * (1 - done)[..., None]


def cells_of_sheet(rgb):
    """The pictures of a sheet, framed in white, in reading order, without their frames."""
    white = (rgb.min(-1) > 222).astype(np.uint8)
    lines = cv2.morphologyEx(white, cv2.MORPH_OPEN, np.ones((1, 260)))
    lines |= cv2.morphologyEx(white, cv2.MORPH_OPEN, np.ones((160, 1)))
    boxes = cv2.connectedComponentsWithStats(cv2.dilate(lines, np.ones((5, 5))))[2][1:, :4]
    boxes = [[int(v) for v in box] for box in boxes if box[2] > 250 and box[3] > 180]
    boxes.sort(key=lambda box: (round(box[1] / 120), box[0]))
    return [rgb[y + 14 : y + h - 14, x + 14 : x + w - 14] for x, y, w, h in boxes]


def cut_arms(alpha, colour, person, offset):
    """The two forearms of a standing body: skin, which unlike the white clothes is coloured, within the boxes of ARMS."""
    left, right, (y0, y1) = ARMS[person]
    for name, (x0, x1) in (("left", left), ("right", right)):
        box = (slice(y0 - offset, y1 - offset), slice(x0, x1))
        a, c = alpha[box], colour[box]
        saturation = np.ptp(c, -1) / np.maximum(c.max(-1), 1e-3)
        skin = cv2.morphologyEx(
            (cv2.GaussianBlur(saturation, (0, 0), 1.5) > 0.22).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 9))
        )
        skin &= (a > 0.02).astype(np.uint8)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(skin)
        arm = (labels == 1 + stats[1:, 4].argmax()).astype(np.float32)
        inner = cv2.erode(arm, np.ones((3, 3)))
        a = a * cv2.GaussianBlur(inner, (0, 0), 0.8)
        yield name, a, spread(c, inner * np.clip(a, 0, 1))


def crop_room(image, person, top, rows, size=(1280, 720)):
    """`rows` rows of a photo with the person taken out: the strips beside, mirrored on where too narrow, joined in the middle."""
    image, person = image[top : top + rows].astype(np.float32), person[top : top + rows]
    taken = cv2.dilate((person > 0.2).astype(np.uint8), np.ones((9, 41))).mean(0) > 0.01
    columns = np.flatnonzero(taken)
    if not columns.size:
        return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    width, scale = image.shape[1], size[1] / rows
    free = columns[0], width - 1 - columns[-1]
    if max(free) < width * 0.14:
        return None
    half = int(np.ceil(size[0] / 2 / scale)) + 60

    def strip(pixels):
        """From the border inwards, to and fro until it is half a room."""
        n = np.arange(half) % (2 * pixels.shape[1] - 2)
        return pixels[:, np.where(n < pixels.shape[1], n, 2 * pixels.shape[1] - 2 - n)]

    left = strip(image[:, : free[0]]) if free[0] >= width * 0.12 else None
    right = strip(image[:, width - free[1] :][:, ::-1])[:, ::-1] if free[1] >= width * 0.12 else None
    left = right[:, ::-1] if left is None else left
    right = left[:, ::-1] if right is None else right
    fade = np.linspace(0, 1, 120)[None, :, None]
    joint = left[:, -120:] * (1 - fade) + right[:, :120] * fade
    room = np.hstack([left[:, :-120], joint, right[:, 120:]])
    wanted = int(size[0] / scale)
    start = (room.shape[1] - wanted) // 2
    room = room[:, start : start + wanted]
    return (
        cv2.resize(room, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)
    )


def save(path, alpha, colour):
    """`colour` is spread first; JPEG and PNG together take a tenth of an RGBA picture."""
    bgr = np.rint(np.clip(colour, 0, 1)[..., ::-1] * 255).astype(np.uint8)
    cv2.imwrite(f"{path}.jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])
    cv2.imwrite(f"{path}.png", np.rint(alpha * 255).astype(np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 9])


def describe(alpha):
    """Where the head begins, its middle, and whether hair is cut off by the picture's border."""
    height, width = alpha.shape
    solid = alpha > 0.5
    top = int(np.flatnonzero(solid.any(1))[0])
    columns = np.flatnonzero(solid[: height // 2].any(0))
    margin = max(2, width // 200)
    side = (alpha[: int(height * 0.45), :margin].max() > 0.3) or (alpha[: int(height * 0.45), -margin:].max() > 0.3)
    middle = float(columns[0] + columns[-1]) / 2 if columns.size else width / 2
    return {"size": [width, height], "top": top, "middle": middle, "cut_above": top < 3, "cut_aside": bool(side)}


def pictures(assets, person):
    """Name, RGB and the row of the chin of each studio picture to solve."""

    def read(name):
        return cv2.cvtColor(cv2.imread(f"{assets}/{name}.jpg"), cv2.COLOR_BGR2RGB)

    portrait = cv2.resize(read("studio_portrait"), (1024, 1024), interpolation=cv2.INTER_AREA)
    yield "portrait", portrait, CHINS[person]
    body = read("studio_posture")[60:2050]
    yield "body", body, None
    for sheet, tag, count, chin in (("character_sheet", "face", 4, 0.66), ("emotions_sheet", "emo", 16, 0.88)):
        for n, cell in enumerate(cells_of_sheet(read(sheet))[:count]):
            yield f"{tag}{n:02d}", np.ascontiguousarray(cell), int(chin * cell.shape[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("curated")
    parser.add_argument("out")
    parser.add_argument("multiclass")
    parser.add_argument("hair")
    parser.add_argument("--people", default=",".join(ARMS))
    args = parser.parse_args()
    cv2.setNumThreads(1)
    segmenter, hair = Segmenter(args.multiclass), HairModel(args.hair)
    for kind in ("cut", "arm", "room"):
        os.makedirs(f"{args.out}/{kind}", exist_ok=True)
    index = {}
    for person in args.people.split(","):
        assets = f"{args.curated}/{person}/assets"
        for photo in ("selfie", "posture"):
            image = cv2.imread(f"{assets}/amateur_{photo}.jpg")
            alpha = segmenter(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
            for tag, top, rows in (("a", 250, 950), ("b", 60, 760), ("c", 700, 700)):
                room = crop_room(image, alpha, top, rows)
                if room is not None:
                    cv2.imwrite(f"{args.out}/room/{person}_{photo}_{tag}.jpg", room, [cv2.IMWRITE_JPEG_QUALITY, 92])
        for tag, rgb, chin in pictures(assets, person):
            name = f"{person}_{tag}"
            if name in UNUSABLE:
                continue
            alpha, colour = solve(rgb, segmenter)
            alpha = harden(alpha, hair(rgb).astype(np.float32) / 255)
            if tag == "body":  # nothing beside the arms
                alpha[:, : ARMS[person][0][0] - 30] = 0
                alpha[:, ARMS[person][1][1] + 30 :] = 0
            entry = describe(alpha)
            entry["chin"] = chin or entry["top"] + int(0.45 * (ARMS[person][2][0] - 60 - entry["top"]))
            index[name] = entry
            save(f"{args.out}/cut/{name}", alpha, spread(colour, alpha))
            if tag == "body":
                for side, a, c in cut_arms(alpha, colour, person, 60):
                    save(f"{args.out}/arm/{person}_{side}", a, c)
            print(name, entry, flush=True)
        with open(f"{args.out}/cutouts.json", "w") as file:
            json.dump(index, file, indent=1)


if __name__ == "__main__":
    main()

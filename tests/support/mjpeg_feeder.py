"""Feeds images to a v4l2loopback device, which becomes an MJPEG camera of 1280x720 at about 30 frames per second.

    mjpeg_feeder.py DEVICE FILE...

The files are sent one after the other, over and over, byte for byte.
"""

import fcntl
import os
import struct
import sys
import time

S_FMT = 0xC0D05605
OUTPUT, PROGRESSIVE = 2, 1


def main(device, *files):
    frames = []
    for path in files:
        with open(path, "rb") as file:
            frames.append(file.read())
    node = os.open(device, os.O_RDWR)
    request = bytearray(208)
    struct.pack_into("<I", request, 0, OUTPUT)
    fourcc = int.from_bytes(b"MJPG", "little")
    struct.pack_into("<6I", request, 8, 1280, 720, fourcc, PROGRESSIVE, 0, 1280 * 720 * 2)
    fcntl.ioctl(node, S_FMT, request)
    while True:
        for frame in frames:
            os.write(node, frame)
            time.sleep(1 / 30)


main(*sys.argv[1:])

"""Reads a camera with mmap, as browsers do, in plain Python."""

import errno
import fcntl
import mmap
import os
import select
import struct

G_FMT, S_FMT, REQBUFS, QUERYBUF = 0xC0D05604, 0xC0D05605, 0xC0145608, 0xC0585609
QBUF, DQBUF, STREAMON, QUERYCAP = 0xC058560F, 0xC0585611, 0x40045612, 0x80685600
CAPTURE, MMAP = 1, 1


class Camera:
    """An open node; every call raises OSError if the driver refuses it."""

    def __init__(self, path="/dev/video10"):
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self.maps = []

    def close(self):
        for one in self.maps:
            one.close()
        os.close(self.fd)

    def captures(self):
        """Whether the device is a camera now, which apps check before they list it."""
        data = bytearray(104)
        fcntl.ioctl(self.fd, QUERYCAP, data)
        return bool(struct.unpack_from("<I", data, 88)[0] & CAPTURE)

    def format(self, request=None):
        """(width, height, fourcc), after requesting `request` in the same form."""
        data = bytearray(208)
        struct.pack_into("<I", data, 0, CAPTURE)
        if request:
            struct.pack_into("<II4s", data, 8, *request)
        fcntl.ioctl(self.fd, S_FMT if request else G_FMT, data)
        return struct.unpack_from("<II4s", data, 8)

    def start(self, buffers=4):
        if not self.captures():
            raise OSError(errno.ENODEV, "nobody feeds it")
        request = bytearray(struct.pack("<III8x", buffers, CAPTURE, MMAP))
        fcntl.ioctl(self.fd, REQBUFS, request)
        for index in range(struct.unpack_from("<I", request)[0]):
            data = self._buffer(index)
            fcntl.ioctl(self.fd, QUERYBUF, data)
            (offset,), (length,) = struct.unpack_from("<I", data, 64), struct.unpack_from("<I", data, 72)
            self.maps.append(mmap.mmap(self.fd, length, mmap.MAP_SHARED, mmap.PROT_READ, offset=offset))
            fcntl.ioctl(self.fd, QBUF, data)
        fcntl.ioctl(self.fd, STREAMON, bytearray(struct.pack("<I", CAPTURE)))

    def take(self, seconds):
        """(index, monotonic time in seconds when it was written) of the next frame; None on timeout."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        for _, events in poll.poll(seconds * 1000):
            data = self._buffer(0)
            try:
                fcntl.ioctl(self.fd, DQBUF, data)
            except BlockingIOError:
                return None
            seconds, micros = struct.unpack_from("<QQ", data, 24)
            return struct.unpack_from("<I", data)[0], seconds + micros / 1e6
        return None

    def give_back(self, index):
        fcntl.ioctl(self.fd, QBUF, self._buffer(index))

    @staticmethod
    def _buffer(index):
        data = bytearray(88)
        struct.pack_into("<II", data, 0, index, CAPTURE)
        struct.pack_into("<I", data, 60, MMAP)
        return data


def name(error):
    return errno.errorcode.get(error.errno, str(error.errno))

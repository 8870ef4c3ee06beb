#!/usr/bin/python3
"""holder.py [NODE]: reads a PipeWire camera and kills itself while it holds a frame, like a crashing app."""

import ctypes
import os
import signal
import struct
import sys

pw = ctypes.CDLL("libpipewire-0.3.so.0")
for name in ("pw_main_loop_new", "pw_main_loop_get_loop", "pw_properties_new_string", "pw_stream_new_simple",
             "pw_stream_dequeue_buffer"):
    getattr(pw, name).restype = ctypes.c_void_p

INPUT, ANY, AUTOCONNECT_AND_MAP = 0, 0xFFFFFFFF, 1 << 0 | 1 << 2
PROCESS = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Events(ctypes.Structure):
    """struct pw_stream_events, version 0."""

    _fields_ = [("version", ctypes.c_uint32), ("others", ctypes.c_void_p * 7), ("process", PROCESS),
                ("drained", ctypes.c_void_p)]


def process(_):
    if pw.pw_stream_dequeue_buffer(stream):
        os.kill(os.getpid(), signal.SIGKILL)


def any_raw_video():
    """A format without a size: a Format object for EnumFormat, with video and raw."""
    return struct.pack("16I", 56, 15, 0x40003, 3, 1, 0, 4, 3, 2, 0, 2, 0, 4, 3, 1, 0)


pw.pw_init(None, None)
loop = ctypes.c_void_p(pw.pw_main_loop_new(None))
traits = f'{{ media.type = Video media.category = Capture media.role = Camera target.object = {(sys.argv + ["bgcam"])[1]} }}'
properties = ctypes.c_void_p(pw.pw_properties_new_string(traits.encode()))
events = Events(process=PROCESS(process))
stream = ctypes.c_void_p(
    pw.pw_stream_new_simple(ctypes.c_void_p(pw.pw_main_loop_get_loop(loop)), b"holder", properties,
                            ctypes.byref(events), None))
formats = (ctypes.c_char_p * 1)(any_raw_video())
if pw.pw_stream_connect(stream, INPUT, ANY, AUTOCONNECT_AND_MAP, formats, 1) < 0:
    sys.exit("holder.py: no PipeWire")
pw.pw_main_loop_run(loop)

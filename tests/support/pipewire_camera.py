#!/usr/bin/env python3
"""pipewire_camera.py NAME: a PipeWire camera with green frames of 320x240; each line on standard input switches between that and red frames
of 640x480, while it runs. A line "damaged" marks the following frames as corrupted instead."""

import ctypes
import struct
import sys
import threading
import time

pw = ctypes.CDLL("libpipewire-0.3.so.0")
VOID, CALLBACK = ctypes.c_void_p, ctypes.CFUNCTYPE
for function in ["pw_thread_loop_new", "pw_thread_loop_get_loop", "pw_properties_new_string", "pw_stream_new_simple",
                 "pw_stream_dequeue_buffer"]:
    getattr(pw, function).restype = VOID

GREEN, RED = (320, 240, (111, 105, 79)), (640, 480, (87, 95, 206))


class Chunk(ctypes.Structure):
    _fields_ = [("offset", ctypes.c_uint32), ("size", ctypes.c_uint32), ("stride", ctypes.c_int32), ("flags", ctypes.c_int32)]


class Data(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_uint32), ("flags", ctypes.c_uint32), ("fd", ctypes.c_int64), ("mapoffset", ctypes.c_uint32),
                ("maxsize", ctypes.c_uint32), ("data", VOID), ("chunk", ctypes.POINTER(Chunk))]


class Buffer(ctypes.Structure):
    _fields_ = [("n_metas", ctypes.c_uint32), ("n_datas", ctypes.c_uint32), ("metas", VOID), ("datas", ctypes.POINTER(Data))]


class StreamBuffer(ctypes.Structure):
    _fields_ = [("buffer", ctypes.POINTER(Buffer))]


def value(kind, *words):
    return struct.pack(f"{2 + len(words)}I", len(words) * 4, kind, *words) + b"\0" * (len(words) % 2 * 4)


def pod(kind, param, **properties):
    body = b"".join(struct.pack("2I", int(key[1:], 16), 0) + value(*words) for key, words in properties.items())
    return struct.pack("4I", len(body) + 8, 15, kind, param) + body


def params(*pods):
    return (ctypes.c_char_p * len(pods))(*pods), len(pods)


def enum_format(width, height, _):
    return pod(0x40003, 3, _1=(3, 2), _2=(3, 1), _20001=(3, 2), _20003=(10, width, height), _20004=(11, 30, 1))


def buffers(width, height, _):
    length = width * height * 3 // 2
    return pod(0x40004, 5, _1=(4, 4), _2=(4, 1), _3=(4, length), _4=(4, width), _6=(19, 4, 0, 4, 4, 4))


@CALLBACK(None, VOID, ctypes.c_uint32, VOID)
def param_changed(_, kind, param):
    global negotiated
    if kind != 4 or not param:
        return
    size = ctypes.cast(param, ctypes.POINTER(ctypes.c_uint32))[0]
    words = struct.unpack(f"{size // 4}I", ctypes.string_at(param + 8, size))
    size = words.index(0x20003)
    negotiated = next(each for each in (GREEN, RED) if each[0] in words[size:size + 10])
    pw.pw_stream_update_params(VOID(stream), *params(buffers(*negotiated)))


@CALLBACK(None, VOID, ctypes.c_int, ctypes.c_int, ctypes.c_char_p)
def state_changed(_, old, new, error):
    global is_streaming
    is_streaming = new == 3


def send():
    if not is_streaming:
        return
    raw = pw.pw_stream_dequeue_buffer(VOID(stream))
    if raw:
        data = ctypes.cast(raw, ctypes.POINTER(StreamBuffer)).contents.buffer.contents.datas[0]
        width, height, (y, u, v) = negotiated
        length = width * height
        if data.data and data.maxsize >= length * 3 // 2:
            ctypes.memset(data.data, y, length)
            ctypes.memset(data.data + length, u, length // 4)
            ctypes.memset(data.data + length * 5 // 4, v, length // 4)
            data.chunk[0] = Chunk(0, length * 3 // 2, width, int(is_damaged))
        pw.pw_stream_queue_buffer(VOID(stream), VOID(raw))
    pw.pw_stream_trigger_process(VOID(stream))


def read_commands():
    global is_damaged
    wanted = GREEN
    for line in sys.stdin:
        if line.strip() == "damaged":
            is_damaged = True
            continue
        wanted = RED if wanted is GREEN else GREEN
        pw.pw_thread_loop_lock(VOID(loop))
        pw.pw_stream_update_params(VOID(stream), *params(enum_format(*wanted)))
        pw.pw_thread_loop_unlock(VOID(loop))


negotiated, is_damaged, is_streaming = GREEN, False, False
events = (VOID * 10)()
events[2] = ctypes.cast(state_changed, VOID).value
events[5] = ctypes.cast(param_changed, VOID).value
pw.pw_init(None, None)
loop = pw.pw_thread_loop_new(b"camera", None)
pw.pw_thread_loop_start(VOID(loop))
pw.pw_thread_loop_lock(VOID(loop))
traits = f"{{ media.type = Video media.class = Video/Source media.role = Camera node.name = {sys.argv[1]} }}"
properties = pw.pw_properties_new_string(traits.encode())
stream = pw.pw_stream_new_simple(VOID(pw.pw_thread_loop_get_loop(VOID(loop))), b"camera", VOID(properties), events, None)
pw.pw_stream_connect(VOID(stream), 1, 0xFFFFFFFF, 1 << 2 | 1 << 3, *params(enum_format(*GREEN)))
pw.pw_thread_loop_unlock(VOID(loop))
threading.Thread(target=read_commands, daemon=True).start()
while True:
    time.sleep(1 / 30)
    pw.pw_thread_loop_lock(VOID(loop))
    send()
    pw.pw_thread_loop_unlock(VOID(loop))

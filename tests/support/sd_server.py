#!/usr/bin/env python3
"""A double of sd-server: a blue picture for every prompt, or a crash.

usage: sd_server.py --help | --listen-ip IP --listen-port PORT --model FILE
Writes its process id and niceness to FILE.server.
"""

import base64
import http.server
import json
import os
import struct
import sys
import zlib


def png(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes([40, 90, 160]) * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class Handler(http.server.BaseHTTPRequestHandler):
    def reply(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.reply(404, {"error": "not found"})

    def do_POST(self):
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.path.startswith("/sdapi/v1/txt2img"):
            return self.reply(404, {"error": "not found"})
        if "crash" in wanted["prompt"]:
            print("out of memory", file=sys.stderr, flush=True)
            os._exit(1)
        image = base64.b64encode(png(wanted["width"], wanted["height"])).decode()
        self.reply(200, {"images": [image], "parameters": wanted, "info": ""})

    def log_message(self, *_):
        pass


def main(arguments):
    if "--help" in arguments:
        print("  --listen-ip IP\n  --listen-port PORT\n  --model FILE")
        return
    value = dict(zip(arguments[::2], arguments[1::2]))
    with open(value["--model"] + ".server", "w", encoding="utf-8") as file:
        print(os.getpid(), os.nice(0), file=file)
    server = http.server.HTTPServer((value["--listen-ip"], int(value["--listen-port"])), Handler)
    server.serve_forever()


main(sys.argv[1:])

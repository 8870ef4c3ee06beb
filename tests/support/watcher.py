"""watcher.py NAME [SECONDS]: reads the virtual camera forever and checks every whole frame, with a pause after each.

The webcam shows only blue, so every predominantly blue pixel is the room. After each frame, the file NAME contains
`frames=N live=N cards=N room=N bluest=N here=1 ends=N errors=...`; stdout reports when the room was visible, and in which phase
(the content of the file NAME.phase). A frame is live unless it is dimmed like a card. If the camera fails, it is reopened; also on
SIGUSR1. SIGHUP closes it (`here=0`) until SIGUSR1.
"""

import os
import signal
import sys
import time

from camera import Camera, name

WIDTH, HEIGHT = 1280, 720
LUMA, CHROMA = WIDTH * HEIGHT, WIDTH * HEIGHT // 4
# The background and its cards are at most 128, the room is 240.
BLUE = 150
IS_BLUE = bytes(value >= BLUE for value in range(256))
# Above the first corner of a dimmed card.
LIVE = 90

told = {"again": False, "away": False}
signal.signal(signal.SIGUSR1, lambda *_: told.update(again=True, away=False))
signal.signal(signal.SIGHUP, lambda *_: told.update(again=True, away=True))


class Watcher:
    def __init__(self, state, pause):
        self.state, self.pause = state, pause
        self.frames = self.live = self.room = self.bluest = 0
        self.ends, self.errors = 0, set()
        self.report = os.open(state, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)

    def say(self, here=1):
        errors = ",".join(sorted(self.errors)) or "none"
        line = (f"frames={self.frames} live={self.live} cards={self.frames - self.live} room={self.room} "
                f"bluest={self.bluest} here={here} ends={self.ends} errors={errors}")
        os.pwrite(self.report, line.ljust(160).encode() + b"\n", 0)

    def phase(self):
        try:
            with open(self.state + ".phase", encoding="utf-8") as file:
                return file.read().strip()
        except OSError:
            return "?"

    def judge(self, frame):
        blue = frame[LUMA:LUMA + CHROMA]
        self.frames += 1
        self.live += frame[0] >= LIVE
        self.bluest = max(self.bluest, max(blue[::61]))
        if blue.translate(IS_BLUE).find(1) >= 0:
            self.room += 1
            points = blue.translate(IS_BLUE).count(1)
            print(f"{self.phase()}: {points} of {CHROMA} points are the room's in frame {self.frames}", flush=True)

    def read(self, camera):
        camera.start()
        while not told["again"]:
            taken = camera.take(1)
            if taken:
                self.judge(camera.maps[taken[0]])
                self.say()
                time.sleep(self.pause)
                camera.give_back(taken[0])

    def run(self):
        while True:
            camera = None
            try:
                camera = Camera()
                self.read(camera)
            except OSError as error:
                self.errors.add(name(error))
                self.ends += camera is not None and bool(camera.maps)
                time.sleep(0.05)
            finally:
                if camera:
                    camera.close()
                self.say(here=0)
            while told["away"]:
                time.sleep(0.02)
            told["again"] = False


Watcher(sys.argv[1], float((sys.argv + ["0"])[2])).run()

"""killer.py COUNT SEED: repeatedly starts a daemon and kills it at random moments, while a reader stays.

Unless it is killed too early, each daemon must deliver frames to the reader again; a reader whose stream ends normally reopens
the camera. Prints the time from the start to the first frame, and to the first frame that is not a card.
"""

import os
import random
import statistics
import subprocess
import sys
import time

from camera import Camera

TIMEOUT = 20
# As in watcher.py.
LIVE = 90


class Reader:
    def __init__(self):
        self.camera, self.ends = None, 0

    def next(self, seconds):
        """(time when it was written, whether it is live) of the next frame, or None."""
        try:
            if not self.camera:
                camera = Camera()
                try:
                    camera.start()
                except OSError:
                    camera.close()
                    raise
                self.camera = camera
            taken = self.camera.take(seconds)
            if not taken:
                return None
            live = self.camera.maps[taken[0]][0] >= LIVE
            self.camera.give_back(taken[0])
            return taken[1], live
        except OSError:
            if self.camera:
                self.camera.close()
                self.camera = None
                self.ends += 1
            time.sleep(0.02)
            return None

    def until(self, wanted, end):
        while time.monotonic() < end:
            frame = self.next(min(0.2, max(0.0, end - time.monotonic())))
            if frame and wanted(frame):
                return frame[0]
        return None


def main(count, seed):
    rng, reader, firsts, lives = random.Random(seed), Reader(), [], []
    log = open(os.environ["LOG"], "a", encoding="utf-8")
    for number in range(count):
        start = time.monotonic()
        daemon = subprocess.Popen([os.environ["BGCAM"], "daemon", "--camera", "/dev/video0", "--background", "#20a040"],
                                  stdout=log, stderr=log)
        if number % 3 == 2:
            # killed at any moment during startup
            reader.until(lambda _: False, start + rng.uniform(0, 0.5))
        else:
            first = reader.until(lambda frame: frame[0] > start, start + TIMEOUT)
            if not first:
                sys.exit(f"no frame within {TIMEOUT} s of start {number + 1}")
            firsts.append(first - start)
            if number % 3 == 1:
                live = reader.until(lambda frame: frame[0] > start and frame[1], start + TIMEOUT)
                if not live:
                    sys.exit(f"only cards within {TIMEOUT} s of start {number + 1}")
                lives.append(live - start)
            reader.until(lambda _: False, time.monotonic() + rng.uniform(0, 0.3))
        daemon.kill()
        daemon.wait()
    for what, times in ("frame", firsts), ("live frame", lives):
        print(f"first {what} after {statistics.median(times):.2f} s (median of {len(times)}), {max(times):.2f} s at most")
    print(f"{count} daemons killed; the reader's stream ended {reader.ends} times")


main(int(sys.argv[1]), int(sys.argv[2]))

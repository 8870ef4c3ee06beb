"""soak.py PID ROUNDS [SECONDS]: two apps come and go, backgrounds change, and the resources of daemon PID are compared.

The webcam shows a person before a pure blue wall. In each round of SECONDS (60), one app reads from 3 to 40 % of the time,
another from 33 to 77 % (v4l2loopback refuses it until the first one has left), a prompt follows at 60 %, and samples are taken at
93 %, when the webcam has been closed. Exits with 1 if files or threads increase, if memory grows by more than 2 MiB an hour
(measured over half an hour or more), or if a frame shows the wall.
"""

import errno
import json
import os
import statistics
import subprocess
import sys
import threading
import time

from camera import Camera, name

WIDTH, HEIGHT = 1280, 720
LUMA, CHROMA = WIDTH * HEIGHT, WIDTH * HEIGHT // 4
# Pure blue has 240, painted skies up to 180.
BLUE = bytes(value >= 200 for value in range(256))
# In percent: the wall fills two thirds of the webcam's frames. The edge of the matte may be a few pixels off.
MAX_ROOM = 1.0
# The caches of the painter and of the allocator fill up in the first rounds. After that, memory varies by 20 MiB with the prompt,
# so medians of some rounds are compared.
SETTLED = 5
MEDIAN_OF = 18
MAX_KIB_PER_HOUR = 2048
BGCAM = os.environ["BGCAM"]
PROMPTS = ["a beach at sunset", "a quiet library", "snowy mountains", "an office at night", "a forest", "a loft"]


def resources(pid):
    """(resident KiB, files, threads)"""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file)
    return int(fields["VmRSS"].split()[0]), len(os.listdir(f"/proc/{pid}/fd")), int(fields["Threads"])


def status():
    answer = subprocess.run([BGCAM, "status", "--json"], capture_output=True, check=True, timeout=20)
    return json.loads(answer.stdout)


class App:
    """Reads the virtual camera, and checks a frame now and then."""

    def __init__(self):
        self.frames = self.late = 0
        self.room = 0.0
        self.errors = {}

    def read(self, until):
        while time.monotonic() < until and self.read_once(until):
            time.sleep(0.5)

    def read_once(self, until):
        """Reads until the end; true if it is worth another try."""
        try:
            camera = Camera()
        except OSError as error:
            return self.fail(error)
        try:
            camera.start()
            last = None
            while time.monotonic() < until:
                taken = camera.take(5)
                if not taken:
                    return self.count("no frame in 5 s")
                index, written = taken
                self.frames += 1
                self.late += last is not None and written - last > 0.1
                last = written
                if self.frames % 10 == 0:
                    blue = camera.maps[index][LUMA:LUMA + CHROMA].translate(BLUE).count(1)
                    self.room = max(self.room, 100 * blue / CHROMA)
                camera.give_back(index)
            return False
        except OSError as error:
            return self.fail(error)
        finally:
            camera.close()

    def fail(self, error):
        return True if error.errno == errno.EBUSY else self.count(name(error))

    def count(self, error):
        self.errors[error] = self.errors.get(error, 0) + 1
        return True


def wait_until(moment):
    time.sleep(max(0.0, moment - time.monotonic()))


def counters():
    counted = status()["counters"]
    return [counted[key] for key in ("composed", "late_masks", "unmasked")]


def main(pid, rounds, seconds=60):
    apps, samples = (App(), App()), []
    print("round  RSS KiB  files  threads  composed  late masks  unmasked  read  late  room %  errors", flush=True)
    begin = time.monotonic()
    for count in range(rounds):
        def at(percent, start=begin + seconds * count):
            return start + seconds * percent / 100
        wait_until(at(3))
        first = threading.Thread(target=apps[0].read, args=(at(40),))
        first.start()
        wait_until(at(33))
        second = threading.Thread(target=apps[1].read, args=(at(77),))
        second.start()
        wait_until(at(60))
        prompt = f"{PROMPTS[count % len(PROMPTS)]} {count}"
        subprocess.run([BGCAM, "set-prompt", prompt], check=True, timeout=100, capture_output=True)
        first.join()
        second.join()
        wait_until(at(93))
        samples.append(resources(pid))
        rss, files, threads = samples[-1]
        composed, late_masks, unmasked = counters()
        read, late = (sum(getattr(app, key) for app in apps) for key in ("frames", "late"))
        room = max(app.room for app in apps)
        errors = {**apps[0].errors, **apps[1].errors} or ""
        print(f"{count + 1:5} {rss:8} {files:6} {threads:8} {composed:9} {late_masks:11} {unmasked:9} {read:5} {late:5} {room:6.2f}  {errors}",
              flush=True)
    settled = samples[min(SETTLED, (len(samples) - 1) // 2):]
    (_, files, threads), last = settled[0], settled[-1]
    half = min(MEDIAN_OF, (len(settled) + 1) // 2)
    first_rss, last_rss = (statistics.median(rss for rss, *_ in part) for part in (settled[:half], settled[-half:]))
    minutes = max(len(settled) - half, 1) * seconds / 60
    growth = (last_rss - first_rss) * 60 / minutes
    print(f"RSS grew by {last_rss - first_rss:.0f} KiB in {minutes:.0f} minutes: {growth:.0f} KiB per hour")
    if not all(app.frames for app in apps):
        sys.exit("an app received no frame")
    if any(app.room > MAX_ROOM for app in apps):
        sys.exit("the wall was visible")
    if (minutes >= 30 and growth > MAX_KIB_PER_HOUR) or last[1] > files or last[2] > threads:
        sys.exit("something grows")


main(*map(int, sys.argv[1:]))

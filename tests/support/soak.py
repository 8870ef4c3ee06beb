"""soak.py PID MINUTES: reads the virtual camera for MINUTES and monitors the resources of the daemon PID.

Exits with 1 if open files or threads exceed the first sample, or memory grows by more than 4 MiB.
"""

import os
import sys
import time

from camera import Camera

ALLOWED_KIB = 4096


def resources(pid):
    """(resident KiB, files, threads)"""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file)
    return int(fields["VmRSS"].split()[0]), len(os.listdir(f"/proc/{pid}/fd")), int(fields["Threads"])


def main(pid, minutes):
    camera, start, frames, samples = Camera(), time.monotonic(), 0, []
    camera.start()
    step = min(60.0, minutes * 6)
    print("minute  frames  RSS KiB  files  threads")
    while len(samples) <= minutes * 60 / step:
        taken = camera.take(5)
        if not taken:
            sys.exit("no frame in 5 s")
        camera.give_back(taken[0])
        frames += 1
        now = time.monotonic()
        if now - start >= (len(samples) + 1) * step:
            samples.append((now, *resources(pid)))
            print(f"{(now - start) / 60:6.1f} {frames:7} {samples[-1][1]:8} {samples[-1][2]:6} {samples[-1][3]:8}", flush=True)
    (begin, first, files, threads), (end, last, *_) = samples[0], samples[-1]
    print(f"RSS grew by {last - first} KiB in {(end - begin) / 60:.1f} minutes: {(last - first) * 3600 / (end - begin):.0f} KiB per hour")
    more = any(sample[2] > files or sample[3] > threads for sample in samples)
    if more or last - first > ALLOWED_KIB:
        sys.exit("something grows")


main(int(sys.argv[1]), float(sys.argv[2]))

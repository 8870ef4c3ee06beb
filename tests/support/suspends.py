"""suspends.py ROUNDS: suspends the machine with the webcam present afterwards, then with the webcam gone, ROUNDS times each.

The webcam's pictures, in the directories `red` and `blue` of $SHARE, change during each suspend. Exits with a message if the virtual
camera shows an older picture after one, or no card without the webcam, or the first picture of the webcam too late.
"""

import os
import re
import statistics
import subprocess
import sys
import time

from camera import Camera

TOOLS = os.environ["TESTBED"] + "/tools"
# The webcam's log: when its stream stops and starts, in boot time.
WEBCAM_LOG = "/run/testbed/uvc.log"
LUMA, CHROMA = 1280 * 720, 1280 * 720 // 4
CENTRE = 180 * 640 + 320
# The webcam sends its first frame one interval after its start.
FIRST_FRAME = 0.034
# How late the first picture may be: usually, and once on a busy machine.
USUAL, MOST = 0.1, 1.0


def boot():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def webcam(*command):
    subprocess.run([TOOLS + "/uvc-webcam", "ctl", *command], check=True)


def switched(setting, since):
    """When the webcam's stream was first switched to such an alternate setting; 0 is a stop."""
    with open(WEBCAM_LOG, encoding="utf-8") as file:
        times = re.findall(rf"^(\S+) .* alternate setting {setting}\b", file.read(), re.M)
    return next((float(time) for time in times if float(time) > since), None)


def look(frame):
    u, v = frame[LUMA + CENTRE], frame[LUMA + CHROMA + CENTRE]
    return "card" if max(u, v) < 170 else "red" if v > u else "blue"


class Reader:
    def __init__(self):
        self.camera = Camera()
        self.camera.start()

    def frames(self, seconds):
        """(boot time, monotonic time when it was written, what it shows) of each frame."""
        end = boot() + seconds
        while boot() < end:
            taken = self.camera.take(0.2)
            if taken:
                what = look(self.camera.maps[taken[0]])
                self.camera.give_back(taken[0])
                yield boot(), taken[1], what

    def until(self, what, seconds, since=0.0):
        """(boot time of the first frame that shows this, all frames up to it), after this monotonic time."""
        seen = []
        for frame in self.frames(seconds):
            seen.append(frame)
            if frame[2] == what and frame[1] > since:
                return frame[0], seen
        sys.exit(f"no {what} within {seconds} s, but {sorted({frame[2] for frame in seen})}")


def suspend(reader, old, new, vanishes):
    """Suspends the machine; the delay of the first new picture in seconds."""
    webcam("next", f"{os.environ['SHARE']}/{new}")
    if vanishes:
        webcam("vanish", "9999")
    begin, ahead = boot(), boot() - time.monotonic()
    sleep = subprocess.Popen([TOOLS + "/suspend", "2"], stdout=subprocess.DEVNULL)
    seen = []
    while sleep.poll() is None:
        seen += reader.frames(0.1)
    if sleep.returncode:
        sys.exit("the machine cannot be suspended")
    stopped = switched(0, begin)
    # processes are frozen before the webcam is stopped: what is written later was written after the suspend
    slept = stopped - ahead
    if vanishes:
        if not any(frame[2] == "card" and frame[1] > slept for frame in seen):
            seen += reader.until("card", 2, slept)[1]
        seen += reader.frames(3)
        if seen[-1][2] != "card":
            sys.exit(f"without the webcam, {seen[-1][2]} is shown")
        webcam("plug")
    first = next((frame[0] for frame in seen if frame[2] == new), None)
    if first is None:
        first, rest = reader.until(new, 20)
        seen += rest
    seen += reader.frames(0.5)
    stale = [frame for frame in seen if frame[1] > slept and frame[2] == old]
    if stale:
        sys.exit(f"{len(stale)} frames show the picture from before the suspend")
    started = switched("[1-5]", stopped)
    # the processes may still be frozen when the webcam starts; their first frame shows that they are not
    thawed = next(frame[0] for frame in seen if frame[1] > slept)
    return max(0.0, first - max(started + FIRST_FRAME, thawed))


def main(rounds):
    reader, old = Reader(), "red"
    reader.until(old, 30)
    for vanishes in False, True:
        delays = []
        for _ in range(rounds):
            new = "blue" if old == "red" else "red"
            delays.append(suspend(reader, old, new, vanishes))
            old = new
        usual, most = statistics.median(delays), max(delays)
        which = "gone" if vanishes else "present"
        print(f"{rounds} suspends, webcam {which}: first picture {usual * 1e3:.0f} ms after the webcam's, {most * 1e3:.0f} ms at most")
        if usual > USUAL or most > MOST:
            sys.exit(f"too late: {delays}")


main(int(sys.argv[1]))

"""churn.py COUNT SEED: COUNT programs query or read the virtual camera, up to three at a time, at random.

Prints how many did what, and fails on unexpected errors. A second reader may get EBUSY, and with v4l2loopback 0.12.7 the first
one may get EINVAL when the second leaves.
"""

import collections
import os
import random
import signal
import sys
import time

from camera import Camera, name

EXPECTED_ERRORS = {"EBUSY", "EINVAL"}


def opens(_):
    Camera().close()


def queries(_):
    camera = Camera()
    camera.captures()
    camera.format()
    camera.close()


def streams(rng):
    camera = Camera()
    camera.start(rng.randint(1, 4))
    for _ in range(rng.randint(1, 10)):
        taken = camera.take(5)
        if not taken:
            sys.exit("no frame in 5 s")
        camera.give_back(taken[0])
    camera.close()


def dies(rng):
    signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.001, 0.3))
    while True:
        streams(rng)


def child(deed, seed):
    try:
        deed(random.Random(seed))
    except OSError as error:
        if name(error) not in EXPECTED_ERRORS:
            print(f"{deed.__name__}: {error}", flush=True)
            os._exit(1)
        os._exit(2)
    except SystemExit as error:
        print(f"{deed.__name__}: {error}", flush=True)
        os._exit(1)
    os._exit(0)


def main(count, seed):
    rng, running, ends = random.Random(seed), {}, collections.Counter()
    for number in range(count):
        while len(running) >= rng.randint(1, 3):
            pid, status = os.wait()
            ends[running.pop(pid), os.waitstatus_to_exitcode(status)] += 1
        deed = rng.choice((opens, queries, streams, streams, dies))
        pid = os.fork()
        if pid == 0:
            child(deed, seed + number)
        running[pid] = deed.__name__
        time.sleep(rng.uniform(0, 0.05))
    while running:
        pid, status = os.wait()
        ends[running.pop(pid), os.waitstatus_to_exitcode(status)] += 1
    for (deed, code), times in sorted(ends.items()):
        print(f"{deed} {({0: 'well', 1: 'failed', 2: 'refused', -9: 'killed'}).get(code, code)}: {times}")
    bad = [key for key in ends if key[1] not in (0, 2, -9)]
    sys.exit(1 if bad or ends["streams", 0] == 0 else 0)


main(int(sys.argv[1]), int(sys.argv[2]))

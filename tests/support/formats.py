"""formats.py: requests other formats and sizes; the driver must refuse them or deliver what the daemon writes."""

import sys

from camera import Camera, name

WRITTEN = (1280, 720, b"YU12")

for request in (640, 480, b"YUYV"), (1920, 1080, b"YU12"), (1280, 720, b"MJPG"), (2, 2, b"YU12"), (99999, 99999, b"RGB3"):
    camera = Camera()
    try:
        got = camera.format(request)
        camera.start()
        taken = camera.take(5)
        size = len(camera.maps[taken[0]]) if taken else 0
        if got != WRITTEN or size < 1280 * 720 * 3 // 2:
            sys.exit(f"asked for {request}, got {got} and a frame of {size} bytes")
    except OSError as error:
        print(f"{request}: {name(error)}")
    finally:
        camera.close()

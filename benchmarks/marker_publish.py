"""How much the CDR bytes save: meshes of N people as a MarkerArray, the plain way and ours.

Each way is timed from vertices to the end of ``publish()``. The plain way builds one
``geometry_msgs/Point`` per corner, as most nodes do. Times are CPU time of this process, so that
other processes disturb them little.

Run: python benchmarks/marker_publish.py [--people 1 5 10]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import time

from _report import print_header
from geometry_msgs.msg import Point
import numpy as np
import rclpy
from rclpy.publisher import Publisher
import torch
from visualization_msgs.msg import Marker, MarkerArray

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.ros.markers import marker_id, MeshMarkers
from metrichmsr_ros.ros.messages import to_header

STAMP, FRAME = 1_700_000_000_000_000_000, 'camera_color_optical_frame'


def main() -> None:
    """Measure and print one line per number of people."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--people', type=int, nargs='+', default=[1, 5, 10])
    arguments = parser.parse_args()
    body = BodyModel.load()
    rest = body.rest_vertices(torch.zeros(1, 10)).numpy()[0]
    rclpy.init()
    node = rclpy.create_node('marker_publish')
    publisher = node.create_publisher(MarkerArray, 'markers', 1)
    print_header('Meshes as MarkerArray: CPU time from vertices to published')
    print('\n| people | plain ms | bytes ms | ratio |\n|---:|---:|---:|---:|')
    for count in arguments.people:
        figures = measure(publisher, np.tile(rest, (count, 1, 1)), body.faces)
        row = '| {people} | {plain_ms:.1f} | {bytes_ms:.2f} | {ratio:.0f} |'
        print(row.format(**figures))
    node.destroy_node()
    rclpy.shutdown()


def measure(publisher: Publisher, vertices: np.ndarray, faces: np.ndarray) -> dict[str, float]:
    """Return CPU milliseconds per message of both ways, and their ratio."""
    ids = tuple(chr(ord('a') + i) * 5 for i in range(len(vertices)))
    markers = MeshMarkers(faces)

    def plain() -> None:
        publisher.publish(plain_array(vertices, faces, ids))

    def spliced() -> None:
        publisher.publish(markers.bytes(vertices, ids, stamp=STAMP, frame_id=FRAME, lifetime=0.5))

    slow, fast = cpu_milliseconds(plain, repeats=5), cpu_milliseconds(spliced, repeats=50)
    return {'people': len(ids), 'plain_ms': slow, 'bytes_ms': fast, 'ratio': slow / fast}


def plain_array(vertices: np.ndarray, faces: np.ndarray, ids: tuple[str, ...]) -> MarkerArray:
    """Build the message corner by corner."""
    array = MarkerArray()
    for mesh, person in zip(vertices, ids, strict=True):
        marker = Marker(header=to_header(STAMP, FRAME), ns='people', id=marker_id(person))
        marker.type = Marker.TRIANGLE_LIST
        marker.scale.x = marker.scale.y = marker.scale.z = marker.color.a = 1.0
        marker.points = [
            Point(x=float(x), y=float(y), z=float(z)) for x, y, z in mesh[faces.reshape(-1)]
        ]
        array.markers.append(marker)
    return array


def cpu_milliseconds(run: Callable[[], None], *, repeats: int) -> float:
    """Return the median CPU time of one run, after a warm-up."""
    run()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return 1e3 * float(np.median(times))


if __name__ == '__main__':
    main()

"""The node's publishers: what is wanted, and how a scene becomes messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from metrichmsr_msgs.msg import PersonArray
import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from tf2_ros import TransformBroadcaster
from visualization_msgs.msg import MarkerArray

from metrichmsr_ros.ros.cdr import image_bytes, points_bytes
from metrichmsr_ros.ros.depth_outputs import cut_people, encode_depth, rectify_depth
from metrichmsr_ros.ros.markers import MeshMarkers
from metrichmsr_ros.ros.messages import camera_info, pelvis_transforms, person_array, to_header
from metrichmsr_ros.ros.parameters import Parameters
from metrichmsr_ros.structures import Scene

RESULT_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)

TOPICS: dict[str, tuple[type, str]] = {
    'people': (PersonArray, 'everybody in the image, also when nobody is'),
    'markers': (MarkerArray, 'meshes, TRIANGLE_LIST, one per person'),
    'depth/image_rect': (
        Image,
        'depth on the pixels of the rectified image, as `depth_encoding` says; P, as `image_proc` '
        'has it, or K where P is not set or R turns the image',
    ),
    'depth/camera_info': (CameraInfo, 'camera of depth/image_rect, without distortion'),
    'depth/image': (Image, 'the same, pixel for pixel on the input image'),
    'points': (PointCloud2, 'organised cloud of that depth, in the colours of the image'),
    'overlay': (Image, 'rgb8 input image with the meshes drawn on it'),
}
"""Topic below ``~/``: type and meaning."""

_NEEDS_DEPTH = frozenset({'depth/image_rect', 'depth/camera_info', 'depth/image', 'points'})

Draw = Callable[[Scene], np.ndarray]


class Outputs:
    """Publishes scenes to those who subscribe."""

    def __init__(self, node: LifecycleNode, faces: np.ndarray, draw: Draw) -> None:
        """Create the publishers.

        Args:
            node: Owner.
            faces: Mesh topology, (F, 3).
            draw: Makes the (H, W, 3) uint8 overlay of a scene.
        """
        self._node = node
        self._draw = draw
        self._markers = MeshMarkers(faces)
        self._publishers: dict[str, Any] = {}
        self._broadcaster: TransformBroadcaster | None = None
        self._tf_topic = node.resolve_topic_name('/tf')
        try:
            self._broadcaster = TransformBroadcaster(node)
            for name, (kind, _) in TOPICS.items():
                publisher = node.create_lifecycle_publisher(kind, f'~/{name}', RESULT_QOS)
                self._publishers[name] = publisher
        except BaseException:
            self.destroy()  # else those made so far stay in the graph beside the next attempt's
            raise

    def wanted(self, parameters: Parameters) -> frozenset[str]:
        """Return the topics that somebody subscribes to; ``'tf'`` among them."""
        wanted = {name for name, pub in self._publishers.items() if pub.get_subscription_count()}
        if parameters.publish_tf and self._node.count_subscribers(self._tf_topic):
            wanted.add('tf')
        return frozenset(wanted)

    @staticmethod
    def needs_depth(wanted: frozenset[str]) -> bool:
        """Whether any of these topics shows depth."""
        return not _NEEDS_DEPTH.isdisjoint(wanted)

    @staticmethod
    def needs_mesh(wanted: frozenset[str], parameters: Parameters) -> bool:
        """Whether any of these topics shows where in the image people are."""
        return 'overlay' in wanted or ('points' in wanted and parameters.points_people == 'cut')

    def publish(
        self, scene: Scene, wanted: frozenset[str], parameters: Parameters, *, frame_id: str
    ) -> None:
        """Publish what is wanted of a scene, with the stamp of its frame.

        Args:
            scene: Result of one frame, with the mesh where :meth:`needs_mesh` says so.
            wanted: Topics, from :meth:`wanted`.
            parameters: Those of now.
            frame_id: Frame of the input image.
        """
        stamp: dict[str, Any] = {'stamp': scene.frame.stamp, 'frame_id': frame_id}
        header = to_header(**stamp)
        people = scene.people
        # Transforms first: who is told of people looks their frames up at once.
        if 'tf' in wanted and self._broadcaster is not None:
            transforms = pelvis_transforms(people, header=header)
            if transforms:
                self._broadcaster.sendTransform(transforms)
        if 'people' in wanted:
            calibrated = scene.frame.camera.calibrated
            message = person_array(
                people, calibrated=calibrated, header=header, depth_state=scene.depth_state
            )
            self._send('people', message)
        if 'markers' in wanted:
            lifetime = parameters.marker_lifetime
            self._send(
                'markers',
                self._markers.bytes(people.vertices, people.ids, lifetime=lifetime, **stamp),
            )
        if scene.depth is not None:
            self._publish_depth(scene, scene.depth.depth_z, wanted, parameters, stamp)
        if 'overlay' in wanted:
            overlay = self._draw(scene)
            self._send('overlay', image_bytes(overlay, encoding='rgb8', **stamp))

    def destroy(self) -> None:
        """Remove all publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        if self._broadcaster is not None:
            self._node.destroy_publisher(self._broadcaster.pub_tf)

    def _publish_depth(
        self,
        scene: Scene,
        depth_z: np.ndarray,
        wanted: frozenset[str],
        parameters: Parameters,
        stamp: dict[str, Any],
    ) -> None:
        camera, encoding = scene.frame.camera, parameters.depth_encoding
        if 'depth/image_rect' in wanted:
            pixels = encode_depth(rectify_depth(depth_z, camera), encoding)
            self._send('depth/image_rect', image_bytes(pixels, encoding=encoding, **stamp))
        if 'depth/camera_info' in wanted:
            info = camera_info(camera.rectified(), header=to_header(**stamp))
            self._send('depth/camera_info', info)
        if 'depth/image' in wanted:
            pixels = encode_depth(depth_z, encoding)
            self._send('depth/image', image_bytes(pixels, encoding=encoding, **stamp))
        if 'points' in wanted:
            if parameters.points_people == 'cut' and scene.mesh is not None:
                depth_z = cut_people(depth_z, scene.mesh)
            points = camera.pixel_rays() * depth_z[..., None]
            self._send('points', points_bytes(points, scene.frame.image, **stamp))

    def _send(self, name: str, message: Any) -> None:
        self._publishers[name].publish(message)

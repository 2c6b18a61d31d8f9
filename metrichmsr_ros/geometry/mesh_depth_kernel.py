"""The Warp kernel of ``mesh_depth``."""
# Warp's annotations are values, which mypy cannot read.
# mypy: ignore-errors

import warp as wp

# Surfaces nearer to the camera plane than this are not seen, metres.
NEAR = 0.01


@wp.kernel
def cast_rays(
    points: wp.array(dtype=wp.vec3),
    corners: wp.array(dtype=wp.vec3i),
    boxes: wp.array(dtype=wp.vec4i),
    rays: wp.array2d(dtype=wp.vec3),
    num_vertices: int,
    keys: wp.array2d(dtype=wp.int64),
):
    """Cut the rays of each face's box of pixels with the face; ``keys`` keep the nearest."""
    corner = corners[wp.tid()]
    a = points[corner[0]]
    b = points[corner[1]]
    c = points[corner[2]]
    # A ray from the origin hits where it is on one side of the three planes through the origin and
    # an edge. Planes from edge vectors, not corner pairs: far, small triangles cancel in float32.
    ab = wp.cross(a, b - a)
    bc = wp.cross(b, c - b)
    ca = wp.cross(c, a - c)
    normal = wp.cross(b - a, c - a)
    offset = wp.dot(a, normal)
    # About a thousandth of a pixel, so that rounding leaves no crack between neighbours.
    slack = -1.0e-6 * wp.length(a) * (wp.length(b - a) + wp.length(c - a))
    # Seen edge-on the plane's depth is ill-defined; it is never outside that of the corners.
    nearest = wp.min(a[2], wp.min(b[2], c[2]))
    farthest = wp.max(a[2], wp.max(b[2], c[2]))
    facing = wp.sign(offset)
    owner = wp.int64(corner[0] // num_vertices)
    box = boxes[wp.tid()]
    for row in range(box[1], box[3]):
        for column in range(box[0], box[2]):
            ray = rays[row, column]
            u = facing * wp.dot(ray, bc)
            v = facing * wp.dot(ray, ca)
            w = facing * wp.dot(ray, ab)
            closing = facing * wp.dot(ray, normal)  # 0 for a face seen edge-on or without area
            if closing > 0.0 and u >= slack and v >= slack and w >= slack:
                # Rays have z = 1, so the parameter of the hit is depth_z.
                depth_z = wp.clamp(facing * offset / closing, nearest, farthest)
                if depth_z >= NEAR:
                    bits = wp.int64(wp.cast(depth_z, wp.int32))
                    wp.atomic_min(keys, row, column, (bits << wp.int64(32)) | owner)

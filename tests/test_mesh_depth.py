"""Mesh depth against closed forms and brute force, distortion and occlusion included."""

import subprocess
import sys

import numpy as np
import pytest
import warp as wp

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.geometry.mesh_depth import _face_boxes, MeshRaycaster

K = np.array([[150.0, 0, 80.5], [0, 148.0, 58.25], [0, 0, 1]])
CAMERAS = {
    'pinhole': Camera(160, 120, K),
    'plumb_bob': Camera(160, 120, K, np.array([-0.3, 0.1, 0.001, -0.002, 0.02])),
    'equidistant': Camera(160, 120, K * [[0.4], [0.4], [1]] + [[0, 0, 48], [0, 0, 35], [0, 0, 0]],
                          np.array([0.06, -0.02, 0.01, -0.003]), 'equidistant'),
}  # fmt: skip


def unit_sphere(rings: int = 60, sectors: int = 80) -> tuple[np.ndarray, np.ndarray]:
    polar, azimuth = np.meshgrid(
        np.linspace(0, np.pi, rings), np.arange(sectors) * 2 * np.pi / sectors, indexing='ij'
    )
    x, z = np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth)
    vertices = np.stack((x, np.cos(polar), z), -1).reshape(-1, 3)
    ring, sector = np.meshgrid(np.arange(rings - 1), np.arange(sectors), indexing='ij')
    a, b = ring * sectors + sector, ring * sectors + (sector + 1) % sectors
    corners = np.stack((a, b, a + sectors, b, b + sectors, a + sectors), -1)
    return vertices.astype(np.float32), corners.reshape(-1, 3)


VERTICES, FACES = unit_sphere()


@pytest.fixture(scope='module')
def caster() -> MeshRaycaster:
    made = MeshRaycaster(FACES)
    made.warm_up()
    return made


def sphere(centre, radius: float) -> np.ndarray:
    return (VERTICES * radius + np.asarray(centre, np.float32))[None]


def sphere_depth(camera: Camera, centre, radius: float) -> np.ndarray:
    """Closed form: nearest root of |z ray - centre| = radius."""
    rays, centre = camera.pixel_rays().astype(float), np.asarray(centre, float)
    a, b, c = (rays**2).sum(-1), rays @ centre, centre @ centre - radius**2
    inside = b * b - a * c
    return np.where(inside > 0, (b - np.sqrt(np.maximum(inside, 0))) / a, np.nan)


def brute_force(vertices: np.ndarray, faces: np.ndarray, camera: Camera) -> np.ndarray:
    """Möller-Trumbore of every pixel with every triangle, in float64."""
    rays = camera.pixel_rays().reshape(-1, 1, 3).astype(float)
    a, b, c = (vertices[faces[:, i]].astype(float) for i in range(3))
    p = np.cross(rays, c - a)
    determinant = (p * (b - a)).sum(-1)
    determinant = np.where(abs(determinant) > 1e-15, determinant, np.nan)
    u = (p * -a).sum(-1) / determinant
    q = np.cross(-a, b - a)
    v = (rays * q).sum(-1) / determinant
    t = ((c - a) * q).sum(-1) / determinant
    hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0.01)
    depth = np.where(hit, t, np.inf).min(1)
    return np.where(np.isfinite(depth), depth, np.nan).reshape(camera.height, camera.width)


@pytest.mark.parametrize('name', CAMERAS)
@pytest.mark.parametrize('centre', [(0.1, -0.05, 2.0), (-0.7, 0.5, 1.6)])
def test_sphere(caster, name, centre):
    camera = CAMERAS[name]
    seen, expected = caster.cast(sphere(centre, 0.4), camera), sphere_depth(camera, centre, 0.4)
    assert seen.depth_z.shape == seen.person.shape == (120, 160)
    assert seen.depth_z.dtype == np.float32
    assert seen.person.dtype == np.int16
    both = np.isfinite(seen.depth_z) & np.isfinite(expected)
    assert both.sum() > 250
    # The polyhedron is inside the sphere: the outline may lose a few pixels, never gain one.
    assert not (np.isfinite(seen.depth_z) & np.isnan(expected)).any()
    assert (np.isfinite(expected) & ~both).sum() < 0.03 * both.sum()
    error = (seen.depth_z - expected)[both]
    assert np.median(abs(error)) < 5e-4
    assert np.percentile(abs(error), 99) < 5e-3
    assert ((seen.person == 0) == np.isfinite(seen.depth_z)).all()


@pytest.mark.parametrize('name', CAMERAS)
def test_tilted_plane_of_two_triangles(name):
    # Large triangles: their distorted edges leave the boxes of their corners' images.
    camera = CAMERAS[name]
    corners = np.array([[-0.7, -0.5, 1.2], [0.7, -0.5, 1.6], [0.7, 0.5, 1.8], [-0.7, 0.5, 1.4]])
    seen = MeshRaycaster(np.array([[0, 1, 2], [0, 2, 3]])).cast(corners[None], camera)
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    rays = camera.pixel_rays().astype(float)
    plane = (corners[0] @ normal) / (rays @ normal)
    hit = rays * plane[..., None]
    # Inside the parallelogram: coordinates along its two sides between 0 and 1.
    sides = np.stack((corners[1] - corners[0], corners[3] - corners[0]), 1)
    along = (hit - corners[0]) @ np.linalg.pinv(sides).T
    inside = ((along > 0.003) & (along < 0.997)).all(-1)
    outside = ((along < -0.003) | (along > 1.003)).any(-1)
    assert inside.sum() > 1500
    np.testing.assert_allclose(seen.depth_z[inside], plane[inside], atol=1e-5)
    assert np.isnan(seen.depth_z[outside]).all()


@pytest.mark.parametrize('name', CAMERAS)
def test_equals_brute_force_also_around_the_camera(name):
    vertices, faces = unit_sphere(12, 16)
    rng = np.random.default_rng(0)
    camera = CAMERAS[name].resized(40, 30)
    caster = MeshRaycaster(faces)
    # The second is beside the camera and reaches behind it, the third holds the camera.
    for centre, radius in [((0.2, 0.1, 1.5), 0.6), ((0.8, 0, 0.3), 0.75), ((0, 0, 0.2), 0.9)]:
        bumpy = vertices * (1 + rng.uniform(-0.2, 0.2, (len(vertices), 1))) * radius + centre
        bumpy = bumpy.astype(np.float32)
        expected = brute_force(bumpy, faces, camera)
        depth_z = caster.cast(bumpy[None], camera).depth_z
        # A ray may pass an edge on either side; nothing else may differ.
        same = np.isclose(depth_z, expected, rtol=1e-4, equal_nan=True)
        assert np.isfinite(expected).sum() > 80
        assert (~same).sum() <= 2


def test_people_occlude_one_another(caster):
    near, far = (0.15, 0.0, 1.5), (-0.1, 0.0, 2.5)
    camera = CAMERAS['plumb_bob']
    for order in ((near, far), (far, near)):
        both = np.concatenate([sphere(centre, 0.4) for centre in order])
        seen = caster.cast(both, camera)
        alone = [caster.cast(person[None], camera).depth_z for person in both]
        np.testing.assert_array_equal(seen.depth_z, np.fmin(*alone))
        overlap = np.isfinite(alone[0]) & np.isfinite(alone[1])
        assert overlap.sum() > 100
        assert (seen.person[overlap] == order.index(near)).all()
        assert set(np.unique(seen.person)) == {-1, 0, 1}


def test_no_cracks_between_triangles(caster):
    depth_z = caster.cast(sphere((0, 0, 2), 1.0), CAMERAS['pinhole']).depth_z
    expected = sphere_depth(CAMERAS['pinhole'], (0, 0, 2), 0.99)
    inside = np.isfinite(expected)
    # Through a crack one would see the back, at least a metre behind.
    assert (depth_z[inside] < expected[inside] + 0.01).all()


def test_boxes_limit_what_is_returned(caster):
    person, camera = sphere((0, 0, 2), 0.6), CAMERAS['plumb_bob']
    everything = caster.cast(person, camera).depth_z
    boxes = np.array([[60.0, 40.0, 75.5, 70.2], [90.0, 50.0, 400.0, 60.0]])
    part = caster.cast(person, camera, boxes=boxes)
    allowed = np.zeros(everything.shape, bool)
    allowed[40:71, 60:76] = True
    allowed[50:61, 90:] = True
    np.testing.assert_array_equal(part.depth_z, np.where(allowed, everything, np.nan))
    assert (part.person[~allowed] == -1).all()
    assert np.isnan(caster.cast(person, camera, boxes=np.zeros((0, 4))).depth_z).all()


def test_boxes_do_not_hide_an_occluder(caster):
    people = np.concatenate([sphere((0.15, 0, 1.5), 0.4), sphere((-0.1, 0, 2.5), 0.4)])
    seen = caster.cast(people, CAMERAS['pinhole'])
    rows, columns = np.nonzero(seen.person == 1)
    box = np.array([[columns.min(), rows.min(), columns.max() + 5, rows.max()]], float)
    part = caster.cast(people, CAMERAS['pinhole'], boxes=box)
    kept = part.person >= 0
    assert (part.person[kept] == seen.person[kept]).all()
    assert (part.person == 0).any()


def test_nobody_and_nobody_in_sight(caster):
    camera = CAMERAS['plumb_bob']
    for people in (np.zeros((0, len(VERTICES), 3)), sphere((0, 0, -2), 0.4), sphere((9, 0, 2), 1)):
        seen = caster.cast(people, camera)
        assert np.isnan(seen.depth_z).all()
        assert (seen.person == -1).all()


def test_pixels_without_a_ray_stay_unknown():
    lens = Camera(160, 120, K * [[0.4], [0.4], [1]], np.array([-0.4, 0, 0, 0, 0]))
    wall = np.array([[-50, -50, 2], [50, -50, 2], [50, 50, 2], [-50, 50, 2]], np.float32)
    seen = MeshRaycaster(np.array([[0, 1, 2], [0, 2, 3]])).cast(wall[None], lens)
    has_ray = np.isfinite(lens.pixel_rays()[..., 0])
    assert 0 < has_ray.sum() < has_ray.size
    np.testing.assert_array_equal(np.isfinite(seen.depth_z), has_ray)


def test_a_person_at_the_camera_is_not_searched_everywhere():
    # Past the image this model runs away with the fifth power: faces there look enormous.
    camera = CAMERAS['plumb_bob']
    for centre in ((0.3, 0.2, 0.4), (0.6, 0, 0.1)):
        boxes = _face_boxes(sphere(centre, 0.3)[0], FACES, camera)
        areas = np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(1)
        assert areas.sum() < 25 * camera.width * camera.height


def test_results_outlive_the_next_cast(caster):
    camera = CAMERAS['pinhole']
    first = caster.cast(sphere((0, 0, 2), 0.4), camera)
    kept = first.depth_z.copy()
    caster.cast(sphere((0, 0, 1), 0.3), camera)
    np.testing.assert_array_equal(first.depth_z, kept)


@pytest.mark.gpu
@pytest.mark.skipif(not wp.is_cuda_available(), reason='no NVIDIA GPU')
def test_gpu_equals_cpu(caster):
    people = np.concatenate([sphere((0.15, 0, 1.5), 0.4), sphere((-0.1, 0, 2.5), 0.4)])
    for camera in CAMERAS.values():
        cpu = caster.cast(people, camera)
        gpu = MeshRaycaster(FACES, device='cuda:0').cast(people, camera)
        same = np.isclose(gpu.depth_z, cpu.depth_z, rtol=1e-4, equal_nan=True)
        assert (~same).sum() <= 3
        assert (gpu.person != cpu.person).sum() <= 3


def test_follows_a_change_of_camera(caster):
    person = sphere((0, 0, 2), 0.4)
    for camera in (CAMERAS['pinhole'], CAMERAS['plumb_bob'], CAMERAS['pinhole'].resized(80, 60)):
        fresh = MeshRaycaster(FACES).cast(person, camera)
        np.testing.assert_array_equal(caster.cast(person, camera).depth_z, fresh.depth_z)


@pytest.mark.parametrize(
    ('vertices', 'message'),
    [
        (np.zeros((1, 5, 3)), r'must be \(P, V, 3\) with V >= 4800, got \(1, 5, 3\)'),
        (VERTICES, r'must be \(P, V, 3\)'),
        (np.full((2, 4800, 3), np.nan), 'must be finite, person 0'),
        (np.concatenate([sphere((0, 0, 2), 1), np.full((1, 4800, 3), np.inf)]), 'person 1 has'),
    ],
)
def test_rejects_bad_vertices(caster, vertices, message):
    with pytest.raises(ValueError, match=message):
        caster.cast(vertices, CAMERAS['pinhole'])


def test_rejects_bad_boxes(caster):
    with pytest.raises(ValueError, match=r'boxes must be \(n, 4\) without NaN'):
        caster.cast(sphere((0, 0, 2), 1), CAMERAS['pinhole'], boxes=np.zeros(4))


@pytest.mark.parametrize('faces', [np.zeros((0, 3), int), np.zeros((4, 4), int)])
def test_rejects_bad_faces(faces):
    with pytest.raises(ValueError, match=r'faces must be \(F, 3\) with F >= 1'):
        MeshRaycaster(faces)


def test_rejects_negative_faces():
    with pytest.raises(ValueError, match='indices >= 0, got -1'):
        MeshRaycaster(np.array([[0, 1, -1]]))


def test_the_start_says_nothing_without_a_gpu() -> None:
    script = (
        'import numpy as np, os; from metrichmsr_ros.geometry.mesh_depth import MeshRaycaster; '
        'MeshRaycaster(np.array([[0, 1, 2]])); os.write(2, b"still heard")'
    )
    done = subprocess.run([sys.executable, '-c', script], capture_output=True, check=True)
    assert done.stderr == b'still heard'

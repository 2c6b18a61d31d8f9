"""Build the default body ``anny_smpl24`` from Anny.

Run once per change, from the repository root, in an environment of its own:

    pip install -e . anny==0.6.2 meshoptimizer
    python scripts/default_body metrichmsr_ros/body/data/anny_smpl24.npz

Takes a minute or two; the first run of Anny fills a cache of 0.7 GB (``ANNY_CACHE_DIR``).
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
import zipfile

import meshoptimizer
import numpy as np
from regressors import fit_regressor, pose_randomly
from rig import anny_joints, merged_weights, t_pose
from source import ADULT_AGES, AnnyPeople, AnnySource

from metrichmsr_ros.body.joints import JOINT_INDEX, PARENTS
from metrichmsr_ros.body.model_file import LIMB_NAMES

NAME = 'anny_smpl24'
NUM_FACES = 13776
NUM_VERTICES = 6890
NUM_SHAPE = 10
NUM_PEOPLE = 2000
NUM_POSES = 200
SEED = 20
# SMPL's own mean pelvis: its origin lies at chest height.
PELVIS = np.array([0.0, -0.2233, 0.0282])
BONES = {
    'thigh': ('left_hip', 'left_knee'),
    'shank': ('left_knee', 'left_ankle'),
    'hips': ('left_hip', 'right_hip'),
    'shoulders': ('left_shoulder', 'right_shoulder'),
    'upper arm': ('left_shoulder', 'left_elbow'),
    'forearm': ('left_elbow', 'left_wrist'),
    'trunk': ('pelvis', 'neck'),
}


def main() -> None:
    """Build the body and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('output', type=Path)
    output = parser.parse_args().output
    source = AnnySource()
    people = source.sample(NUM_PEOPLE, seed=SEED)
    print(f'{NUM_PEOPLE} people; the mesh has {people.vertices.shape[1]} vertices')
    weights = merged_weights(source, people)
    vertices, joints = t_pose(people.vertices, anny_joints(source, people), weights)
    limbs = np.stack([source.coco_regressor(name) for name in LIMB_NAMES])
    points = np.concatenate([joints, np.einsum('lv,nvc->nlc', limbs, vertices)], axis=1)
    mean = vertices.mean(0)
    kept, faces = simplify(mean, source.faces)
    adult = people.ages >= ADULT_AGES[0]
    template, components, shape = shape_space(vertices[:, kept], points, adult)
    print_figures(people, shape, joints)
    arrays = assemble(template, components, weights[kept], faces)
    arrays |= surface_points(source, people, mean, kept)
    write_npz(output, arrays)
    print(f'{output}: {output.stat().st_size} bytes')


def simplify(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Collapse edges down to SMPL's counts; returns kept vertices and faces over them."""
    indices = np.ascontiguousarray(faces.reshape(-1), np.uint32)
    collapsed = np.zeros_like(indices)
    count = meshoptimizer.simplify(
        collapsed,
        indices,
        np.ascontiguousarray(vertices, np.float32),
        target_index_count=3 * NUM_FACES,
        target_error=1.0,
    )
    kept, renumbered = np.unique(collapsed[:count], return_inverse=True)
    if (len(kept), count) != (NUM_VERTICES, 3 * NUM_FACES):
        raise RuntimeError(f'simplification gave {len(kept)} vertices and {count // 3} faces')
    return kept, renumbered.reshape(-1, 3)


def shape_space(
    vertices: np.ndarray, points: np.ndarray, adult: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit the shape space of vertices and points together, about the mean adult.

    Returns:
        Mean adult (V + points, 3), components (10, V + points, 3) in metres per standard
        deviation, and each person's shape (N, 10). The first component makes people taller, the
        others rounder.
    """
    stacked = np.concatenate([vertices, points], axis=1)
    mean = stacked[adult].mean(0)
    centred = (stacked - mean).reshape(len(stacked), -1)
    # The Gram matrix is people x people, much smaller than coordinates x coordinates.
    values, vectors = np.linalg.eigh(centred @ centred.T / len(centred))
    shape = np.sqrt(len(centred)) * vectors[:, ::-1][:, :NUM_SHAPE]
    components = (shape.T @ centred / len(centred)).reshape(NUM_SHAPE, -1, 3)
    surface, moved = mean[: vertices.shape[1]], components[:, : vertices.shape[1]]
    taller = moved[0, surface[:, 1].argmax(), 1] - moved[0, surface[:, 1].argmin(), 1]
    outwards = surface[:, [0, 2]] - surface[:, [0, 2]].mean(0)
    trunk = np.abs(surface[:, 0]) < 0.2
    rounder = (moved[:, :, [0, 2]] * outwards)[:, trunk].sum((1, 2))
    signs = np.sign([taller, *rounder[1:]])
    shape, components = shape * signs, components * signs[:, None, None]
    rest = centred - shape @ components.reshape(NUM_SHAPE, -1)
    print_space(values, rest.reshape(*stacked.shape)[:, : vertices.shape[1]])
    return mean, components, shape


def print_space(values: np.ndarray, rest: np.ndarray) -> None:
    """Print how much of the people the components leave unexplained."""
    residual = np.linalg.norm(rest, axis=-1) * 1e3
    explained = np.cumsum(values[::-1][:NUM_SHAPE]) / values.sum()
    print(f'explained {explained.round(4)}')
    print(f'residual: rms {np.sqrt((residual**2).mean()):.2f} mm, worst {residual.max():.1f} mm')


def assemble(
    template: np.ndarray, components: np.ndarray, weights: np.ndarray, faces: np.ndarray
) -> dict[str, np.ndarray]:
    """Make the arrays of the SMPL file schema, and our limb landmarks."""
    count = len(weights)
    template = (template + PELVIS).astype(np.float32).astype(np.float64)
    # Half precision errs by 0.05 mm at most; the regressors are fitted to what is stored.
    shapedirs = components[:, :count].astype(np.float16)
    basis = np.concatenate([template[None, :count], shapedirs.astype(np.float64)])
    targets = np.concatenate([template[None, count:], components[:, count:]])
    num_joints = len(PARENTS)
    surface, posed_joints, rotations = pose_randomly(
        basis[0], targets[0, :num_joints], weights, count=NUM_POSES, seed=SEED
    )
    regressor = [
        fit_regressor(basis, targets[:, j], surface, posed_joints[:, j]) for j in range(num_joints)
    ]
    limb_regressor = []
    for index, name in enumerate(LIMB_NAMES):
        joint, point = JOINT_INDEX[name], targets[:, num_joints + index]
        parent = PARENTS[joint]
        # A landmark beside a joint moves half with the bone above and half with the one below.
        offset = point[0] - targets[0, joint]
        halves = (rotations[:, joint] + rotations[:, parent]) / 2
        posed = posed_joints[:, joint] + halves @ offset
        limb_regressor.append(fit_regressor(basis, point, surface, posed))
    parents = np.array(PARENTS)
    return {
        'name': np.array(NAME),
        'v_template': template[:count].astype(np.float32),
        'shapedirs': shapedirs.transpose(1, 2, 0),
        'weights': weights.astype(np.float32),
        'J_regressor': np.stack(regressor).astype(np.float32),
        'limb_regressor': np.stack(limb_regressor).astype(np.float32),
        'kintree_table': np.stack([parents, np.arange(num_joints)]).astype(np.int32),
        'f': faces.astype(np.uint16),
    }


def surface_points(
    source: AnnySource, people: AnnyPeople, mean: np.ndarray, kept: np.ndarray
) -> dict[str, np.ndarray]:
    """Find the named vertices among the kept ones."""
    weights = source.weights()
    owner = weights.argmax(1)
    rest = people.vertices.mean(0)
    bones = people.bones.mean(0)
    face = np.flatnonzero((np.abs(rest[:, 0]) < 0.01) & (owner == source.bone('head')))
    full = {
        'nose': face[rest[face, 2].argmax()],
        'head_top': mean[:, 1].argmax(),
    }
    positions = {}
    for side, letter in (('left', 'L'), ('right', 'R')):
        for finger, number in (('thumb', 1), ('index', 2), ('pinky', 5)):
            bone = source.bone(f'finger{number}-3.{letter}')
            skin = np.flatnonzero(owner == bone)
            reach = np.linalg.norm(rest[skin] - bones[bone], axis=1)
            full[f'{side}_{finger}_tip'] = skin[reach.argmax()]
        full[f'{side}_mouth'] = source.most_moved_vertex(f'mouthSmile{side.capitalize()}')
        eye = bones[source.bone(f'eye.{letter}')] + (0.0, 0.0, 0.02)
        positions[f'{side}_eye'] = eye
        foot = source.bone(f'foot.{letter}')
        sole = np.flatnonzero((owner == foot) & (rest[:, 1] < bones[foot, 1]))
        full[f'{side}_heel'] = sole[rest[sole, 2].argmin()]
        for name in ('ear', 'big_toe'):
            positions[f'{side}_{name}'] = source.coco_regressor(f'{side}_{name}') @ rest
    positions |= {name: rest[vertex] for name, vertex in full.items()}
    names = sorted(positions)
    nearest = [np.linalg.norm(rest[kept] - positions[name], axis=1).argmin() for name in names]
    for name, vertex in zip(names, nearest, strict=True):
        off = np.linalg.norm(rest[kept][vertex] - positions[name])
        print(f'{name}: vertex {vertex}, {off * 1e3:.1f} mm off')
    return {'surface_names': np.array(names), 'surface_vertices': np.array(nearest, np.int32)}


def print_figures(people: AnnyPeople, shape: np.ndarray, joints: np.ndarray) -> None:
    """Print what docs/body.md and tests/test_default_body.py quote of Anny's own people."""
    heights = np.ptp(people.vertices[:, :, 1], axis=1)
    adult = people.ages >= ADULT_AGES[0]
    for name, group in (
        ('men', adult & (people.genders <= 0.5)),
        ('women', adult & (people.genders > 0.5)),
        ('children', (people.ages >= 5) & (people.ages < 9)),
    ):
        low, median, high = np.percentile(heights[group], (5, 50, 95))
        print(f'{name}: height {low:.3f} {median:.3f} {high:.3f} (5, 50, 95 %)')
        print(f'  mean height {heights[group].mean():.3f}, shape {shape[group].mean(0).round(3)}')
        for bone, (start, end) in BONES.items():
            ends = joints[group][:, [JOINT_INDEX[start], JOINT_INDEX[end]]]
            length = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1).mean()
            print(f'  {bone} {length:.3f}', end='')
        print()
    print(f'shape of adults: deviation {shape[adult].std(0).round(2)}')


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write a compressed archive whose bytes depend on the arrays alone."""
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(array, order='C'), allow_pickle=False)
            archive.writestr(
                zipfile.ZipInfo(f'{name}.npy'), buffer.getvalue(), zipfile.ZIP_DEFLATED
            )


if __name__ == '__main__':
    main()

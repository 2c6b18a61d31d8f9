from dataclasses import fields

from made_images import CAMERA, made_frame, made_images, ROIS
import numpy as np
import pytest
import torch

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.models.evidence import cells, crop_pixels
from metrichmsr_ros.models.image_evidence import ImageEvidence

DISTORTED = Camera(
    width=640, height=480, K=np.array([[500.0, 0, 330], [0, 510, 235], [0, 0, 1]]),
    D=np.array([-0.2, 0.05, 0.001, -0.001, 0]), distortion_model='plumb_bob', calibrated=True,
)  # fmt: skip


def test_shapes_and_types():
    evidence = made_images()
    assert len(evidence) == 3
    assert evidence.image.shape == (3, 3, 256, 192)
    assert evidence.crop_rays.shape == (3, 4, 3)
    assert evidence.ray_map.shape == (3, 3, 224, 224)
    for item in fields(ImageEvidence):
        value = getattr(evidence, item.name)
        assert value.dtype == torch.float32
        assert torch.isfinite(value).all()
    assert len(evidence[:0]) == 0
    assert len(evidence[[2, 0]]) == 2


@pytest.mark.parametrize('roi', ROIS[:2])
def test_image_shows_the_middle_columns_of_the_crop(roi: np.ndarray):
    image = ImageEvidence.from_frame(made_frame(), roi[None]).image[0].numpy()
    pixels = crop_pixels(roi[None], cells(256))[0].reshape(256, 256, 2)[:, 32:224]
    np.testing.assert_allclose(image[0], pixels[..., 0] / 640, atol=0.005)
    np.testing.assert_allclose(image[1], pixels[..., 1] / 480, atol=0.005)


def test_outside_of_the_image_is_black():
    image = ImageEvidence.from_frame(made_frame(), np.array([[0.0, 0, 300, 0]])).image[0]
    assert (image[:, :120, :90] == 0).all()
    assert image[:2, 140:, 110:].min() > 0


def test_large_crops_are_averaged():
    frame = made_frame()
    frame.image[:] = 255 * (np.arange(640) % 2)[None, :, None].astype(np.uint8)
    image = ImageEvidence.from_frame(frame, np.array([[320.0, 240, 1020, 0]])).image[0]
    inside = image[0, 100:156, 40:150]
    assert inside.std() < 0.15  # bilinear reading alone gives 0.5


@pytest.mark.parametrize('camera', [CAMERA, DISTORTED], ids=['pinhole', 'distorted'])
def test_ray_map_is_of_the_same_crop(camera: Camera):
    evidence = ImageEvidence.from_frame(made_frame(camera), ROIS[:2])
    rays = evidence.ray_map.movedim(1, 3).double().numpy()
    assert (rays[..., 2] == 1).all()
    pixels = crop_pixels(ROIS[:2], cells(224)).reshape(2, 224, 224, 2)
    inside = ((pixels > 0) & (pixels < [640, 480])).all(axis=-1)
    np.testing.assert_allclose(camera.project(rays)[inside], pixels[inside], atol=0.01)


@pytest.mark.parametrize('roi', [[10.0, 10, 0, 0], [np.nan, 10, 5, 0]])
def test_rejects_crops_without_area(roi: list[float]):
    with pytest.raises(ValueError, match='must be finite with positive sides'):
        ImageEvidence.from_frame(made_frame(), np.array([roi]))

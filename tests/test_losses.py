import math

import numpy as np
import pytest
import torch

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.geometry.rotations import aa_to_matrix
from metrichmsr_ros.losses import (
    angle_between,
    balance_loss,
    confidence_loss,
    height_loss,
    joints3d_loss,
    log_depth_loss,
    ONE_SIGMA_SHARE,
    pelvis_likelihood_loss,
    points3d_loss,
    reprojection_loss,
    rotation_loss,
    shape_loss,
)


def joints(batch: int = 3, count: int = 24, *, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, count, 3, generator=generator) + torch.tensor([0.0, 0.0, 5.0])


def test_3d_terms_ignore_where_the_body_stands():
    truth, shift = joints(), torch.tensor([1.0, -2.0, 3.0])

    assert joints3d_loss(truth + shift, truth) == pytest.approx(0, abs=1e-6)
    moved = points3d_loss(
        truth + shift, truth, pred_pelvis=truth[:, 0] + shift, gt_pelvis=truth[:, 0]
    )
    assert moved == pytest.approx(0, abs=1e-6)


def test_joints3d_is_the_mean_distance_in_metres():
    truth, wrong = joints(), joints().clone()
    wrong[:, 5] += torch.tensor([0.0, 0.3, 0.4])

    assert joints3d_loss(wrong, truth) == pytest.approx(0.5 / 24, rel=1e-5)


def test_reprojection_is_zero_along_rays_of_a_fisheye_and_says_pixels_elsewhere():
    camera = Camera(
        640,
        480,
        [[300.0, 0, 310], [0, 300, 250], [0, 0, 1]],
        [0.1, -0.02, 0.0, 0.0],
        'equidistant',
    )
    truth = torch.tensor([[[1.0, 0.5, 1.5], [-0.4, 0.2, 3.0]]])
    along = truth * torch.tensor([0.5, 2.0])[None, :, None]
    arguments = {'weights': torch.ones(1, 2), 'crop_angle': torch.tensor([0.5])}
    np.testing.assert_allclose(camera.project(along), camera.project(truth), atol=1e-3)

    assert reprojection_loss(along, truth, **arguments) == pytest.approx(0, abs=1e-6)
    assert reprojection_loss(truth + 0.05, truth, **arguments) > 0.01


def test_reprojection_is_clamped_weighted_and_falls_from_behind_the_camera():
    truth = torch.tensor([[[0.0, 0.0, 2.0], [0.0, 0.0, 2.0]]])
    turned = torch.tensor([[[math.tan(0.1) * 2, 0.0, 2.0], [5.0, 0.0, -1.0]]], requires_grad=True)
    angle = torch.tensor([2.0])

    both = reprojection_loss(turned, truth, weights=torch.ones(1, 2), crop_angle=angle, clamp=0.25)
    first = reprojection_loss(turned, truth, weights=torch.tensor([[1.0, 0]]), crop_angle=angle)
    none = reprojection_loss(turned, truth, weights=torch.zeros(1, 2), crop_angle=angle)

    assert both.item() == pytest.approx((0.05 + 0.25) / 2, rel=1e-5)
    assert first.item() == pytest.approx(0.05, rel=1e-5)
    assert none == 0
    both.backward()
    assert torch.isfinite(turned.grad).all()


def test_angles_are_exact_where_the_arc_cosine_is_not():
    a = torch.tensor([[0.0, 0.0, 3.0]])
    b = torch.tensor([[1e-5, 0.0, 1.0]])

    assert angle_between(a, b).item() == pytest.approx(1e-5, rel=1e-4)
    same = a.clone().requires_grad_()
    angle_between(same, a).sum().backward()
    assert torch.isfinite(same.grad).all()


def test_rotations_count_twists_that_no_joint_shows():
    truth = torch.eye(3).expand(2, 24, 3, 3)
    twisted = truth.clone()
    twisted[:, 20] = aa_to_matrix(torch.tensor([0.0, 0.0, math.pi / 2]))

    assert rotation_loss(truth, truth) == 0
    assert rotation_loss(twisted, truth) == pytest.approx(4 / (24 * 6), rel=1e-5)


def test_shape_and_height_are_mean_absolute_errors():
    assert shape_loss(torch.ones(2, 10), torch.zeros(2, 10)) == 1
    assert height_loss(torch.tensor([1.5, 1.9]), torch.tensor([1.6, 1.7])) == pytest.approx(0.15)


def test_log_depth_is_relative_and_the_same_all_over_the_image():
    near, corner = torch.tensor([[0.0, 0, 2]]), torch.tensor([[3.0, 2.0, 4.0]])

    for pelvis in (near, corner):
        assert log_depth_loss(1.1 * pelvis, pelvis) == pytest.approx(math.log(1.1), rel=1e-4)


@pytest.mark.parametrize('law', ['laplace', 'quantile'])
def test_likelihood_is_least_where_sigma_holds_68_percent(law: str):
    torch.manual_seed(0)
    if law == 'laplace':
        error = torch.distributions.Laplace(0, 0.07).sample((20000, 3))
    else:
        error = torch.full((10, 3), 0.07)
    log_sigma = torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.Adam([log_sigma], lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        pelvis_likelihood_loss(error, log_sigma=log_sigma.expand_as(error)).backward()
        optimizer.step()
    sigma = log_sigma.detach().exp()

    if law == 'laplace':
        inside = (error.abs() < sigma).float().mean().item()
        assert inside == pytest.approx(ONE_SIGMA_SHARE, abs=0.01)
    else:  # the scale of a Laplace law is the mean absolute error
        assert sigma[0].item() == pytest.approx(0.07 * 1.148, rel=0.01)


def test_likelihood_and_confidence_do_not_teach_the_body():
    error = torch.ones(2, 3, requires_grad=True)
    log_sigma = torch.zeros(2, 3, requires_grad=True)
    predicted, logit = joints(2).requires_grad_(), torch.zeros(2, requires_grad=True)

    loss = pelvis_likelihood_loss(error, log_sigma=log_sigma)
    (loss + confidence_loss(logit, predicted, joints(2))).backward()

    assert error.grad is None
    assert predicted.grad is None
    assert log_sigma.grad.abs().min() > 0
    assert logit.grad.abs().min() > 0


def test_confidence_is_right_when_it_knows_the_good_from_the_bad():
    truth = joints(2)
    predicted = truth.clone()
    predicted[1, 1:] += 0.2

    right = confidence_loss(torch.tensor([9.0, -9.0]), predicted, truth)
    wrong = confidence_loss(torch.tensor([-9.0, 9.0]), predicted, truth)

    assert right < 0.01 < 5 < wrong


def test_balance_is_one_when_even_and_the_expert_count_when_one_does_all():
    even = torch.full((2, 3, 5, 4), 0.25)
    alone = torch.zeros(2, 3, 5, 4)
    alone[..., 1] = 1

    assert balance_loss(even) == pytest.approx(1)
    assert balance_loss(alone) == pytest.approx(4)
    assert balance_loss(torch.zeros(2, 3, 5, 0)) == 0

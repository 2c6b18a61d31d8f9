"""Pictures of corrected depth: image, prior, refined and true depth side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from metrichmsr_ros.depth_views import DepthView
from metrichmsr_ros.metrics import depth_errors
from metrichmsr_ros.structures import DepthImage
from metrichmsr_ros.visualization import color_depth, labelled, write_picture

_SHARE = (2, 98)  # per cent of the true depths that the colours tell apart


class DepthPictures:
    """Writes one PNG per image."""

    def __init__(self, folder: Path, *, refined: str) -> None:
        """Make the folder.

        Args:
            folder: Where the pictures go.
            refined: Method that is shown.

        Raises:
            OSError: The folder cannot be made or written to.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._refined = folder, refined

    def __call__(
        self, view: DepthView, prior: DepthImage, refined: Mapping[str, np.ndarray]
    ) -> None:
        """Write the picture of a view, one of its priors, and what the methods made of it."""
        name = str(Path(view.name).with_suffix('')).replace('/', '_')
        picture = depth_panels(view, prior.depth_z, refined[self._refined], title=self._refined)
        write_picture(self._folder / f'{name}.png', picture)


def depth_panels(
    view: DepthView, prior_z: np.ndarray, refined_z: np.ndarray, *, title: str
) -> np.ndarray:
    """Return image, prior, refined and true depth in one colour scale, (H, 4 W, 3) uint8, RGB.

    Args:
        view: The image with its truth.
        prior_z: (H, W) metres, NaN where unknown.
        refined_z: (H, W) metres, NaN where unknown.
        title: Of the refined depth.
    """
    true_z = view.true_z
    near, far = np.nanpercentile(true_z, _SHARE)
    near, far = 0.8 * near, 1.2 * far
    panels = [labelled(view.frame.image, f'{len(view.people)} seen')]
    for name, depth_z in (('prior', prior_z), (title, refined_z)):
        error = depth_errors(depth_z, true_z).abs_rel
        colours = color_depth(depth_z, near=near, far=far)
        panels.append(labelled(colours, f'{name}: AbsRel {error:.3f}'))
    truth = color_depth(true_z, near=near, far=far)
    panels.append(labelled(truth, f'true, {near:.1f} (red) to {far:.1f} m'))
    return np.hstack(panels)

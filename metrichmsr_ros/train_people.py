"""The people that a training run learns from, and those whom it is validated on."""

from __future__ import annotations

from dataclasses import replace

from torch.utils.data import Dataset

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.labelled import read_labelled
from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.people.draws import generator_of
from metrichmsr_ros.data.people.sample import Batch, PeopleSampler, SampleBatch
from metrichmsr_ros.data.rendered.dataset import MixedPeople, RenderedPeople
from metrichmsr_ros.models.network_config import BLAZEPOSE
from metrichmsr_ros.train_config import TrainConfig

_HELD_OUT_POSES = 4000


class Batches(Dataset[Batch]):
    """Batches by number: the same number gives the same people.

    Args:
        sample: Makes ``batch_size`` people from a generator; picklable.
        batch_size: People per batch.
        key: Of all batches; another key has other people, as another batch has.
    """

    def __init__(self, sample: SampleBatch, *, batch_size: int, key: tuple[int, ...]) -> None:
        self.sample = sample
        self.batch_size = batch_size
        self.key = key

    def __getitem__(self, index: int) -> Batch:
        return self.sample(self.batch_size, generator_of(*self.key, index))


def draw_from(config: TrainConfig, body: BodyModel) -> tuple[SampleBatch, SampleBatch]:
    """Return what draws the people of a run, and people whom it does not learn from.

    Args:
        config: The run.
        body: Of the people, on the CPU.

    Raises:
        ValueError: The network looks at pixels, which sampled people do not have; or a file does
            not fit.
    """
    if config.labels:
        people, held_out = read_labelled(config.labels, config=config.model, body=body)
        return people.sample, held_out.sample
    if config.model.image_encoder != BLAZEPOSE:
        raise ValueError(
            f'model.image_encoder is {config.model.image_encoder!r}: sampled people have no '
            f'pixels, so it must be {BLAZEPOSE!r}, or labels must name photographs'
        )
    sample: SampleBatch = PeopleSampler(config.data, body=body).sample
    if config.rendered:
        rendered = RenderedPeople(*config.rendered, body=body, physique=config.data.physique)
        sample = MixedPeople(sample, rendered, config.rendered_share).sample
    return sample, PeopleSampler(unseen_poses(config.data), body=body).sample


def unseen_poses(data: SampleConfig) -> SampleConfig:
    """Return the same distribution with other poses, for people who are held out."""
    poses = min(data.poses, _HELD_OUT_POSES)
    return replace(data, pose_seed=data.pose_seed + 1, poses=poses)

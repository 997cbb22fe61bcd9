"""Scenes for training loops: made on the fly, without a disk, in any number of workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from arrayscene.errors import ShapeError
from arrayscene.worlds.world import World, WorldScene


class WorldDataset(Dataset[WorldScene]):
    """A fixed number of scenes, made when they are asked for.

    Use it with `DataLoader(dataset, batch_size=..., shuffle=True, num_workers=..., collate_fn=collate)`. An item is the same in
    every epoch and worker.

    Args:
        world: of the scenes.
        n_scenes: how many.
        first: number of the first, so that two data sets of one world may hold different scenes.

    Raises:
        ShapeError: a number of scenes below 1, or a first below 0.

    Cost: that of `World.scene` an item.
    """

    def __init__(self, world: World, n_scenes: int, *, first: int = 0) -> None:
        if n_scenes < 1 or first < 0:
            raise ShapeError(
                f"WorldDataset: {n_scenes} scenes from number {first} came; at least one, from 0 or more, were wanted"
            )
        self.world, self.n_scenes, self.first = world, n_scenes, first

    def __len__(self) -> int:
        return self.n_scenes

    def __getitem__(self, index: int) -> WorldScene:
        """Scene `first + index`; negative ones count from the end.

        Raises:
            IndexError: outside.
        """
        if not -self.n_scenes <= index < self.n_scenes:
            raise IndexError(f"scene {index} of {self.n_scenes}")
        return self.world.scene(self.first + index % self.n_scenes)


class WorldStream(IterableDataset[WorldScene]):
    """Scenes without end, each one once, shared among workers and processes.

    Worker w of W in process r of R makes the scenes `first` + k with k = r W + w modulo R W: which scenes are made does not
    depend on the number of workers. To go on after an interruption, give the number of scenes used as `first`.

    Args:
        world: of the scenes.
        first: number of the first scene.
        rank, n_ranks: which of several processes this is, counted from 0, and how many there are.

    Raises:
        ShapeError: a first below 0, or a rank that is not there.

    Cost: that of `World.scene` an item.
    """

    def __init__(self, world: World, *, first: int = 0, rank: int = 0, n_ranks: int = 1) -> None:
        if first < 0 or not 0 <= rank < n_ranks:
            raise ShapeError(
                f"WorldStream: first scene {first}, rank {rank} of {n_ranks} came; 0 or more, and a rank below their number"
            )
        self.world, self.first, self.rank, self.n_ranks = world, first, rank, n_ranks

    def __iter__(self) -> Iterator[WorldScene]:
        info = get_worker_info()
        worker, n_workers = (0, 1) if info is None else (info.id, info.num_workers)
        index = self.first + self.rank * n_workers + worker
        while True:
            yield self.world.scene(index)
            index += self.n_ranks * n_workers


@dataclass(frozen=True, eq=False)
class WorldBatch:
    """Scenes of one length side by side.

    Microphones and talkers that a scene does not have are zero, and the masks say which it has.

    Attributes:
        mixture: (scene, mic, sample).
        images, early: (scene, talker, kept mic, sample).
        dry: (scene, talker, sample).
        noise: (scene, kept mic, sample).
        positions: (scene, talker, point, 3) metres; azimuths, elevations and distances: (scene, talker, point), as in
            `WorldScene`.
        microphones: (scene, mic, 3) metres, where a decoder is told that they are.
        has_mic: (scene, mic) bool.
        has_talker: (scene, talker) bool.
        t60, snr_db: (scene,).
        scenes: what was put together, with everything else that is known of each.
    """

    mixture: Tensor
    images: Tensor
    early: Tensor
    dry: Tensor
    noise: Tensor
    positions: Tensor
    azimuths: Tensor
    elevations: Tensor
    distances: Tensor
    microphones: Tensor
    has_mic: Tensor
    has_talker: Tensor
    t60: Tensor
    snr_db: Tensor
    scenes: tuple[WorldScene, ...]


def collate(scenes: Sequence[WorldScene]) -> WorldBatch:
    """Put scenes side by side, for a DataLoader's `collate_fn`.

    Raises:
        ShapeError: no scene, or scenes of different lengths or kept microphones ("reference" beside "all").
    """
    if not scenes:
        raise ShapeError("collate: no scene came")
    lengths = {scene.mixture.shape[-1] for scene in scenes}
    kept_one = {scene.images.shape[1] == 1 for scene in scenes if len(scene.mixture) > 1}
    if len(lengths) > 1 or len(kept_one) > 1:
        raise ShapeError("collate: scenes of different lengths or kept microphones came; take them from one world")
    names = ("mixture", "images", "early", "dry", "noise", "positions", "azimuths", "elevations", "distances", "microphones")
    padded = {name: _stacked([getattr(scene, name) for scene in scenes]) for name in names}
    n_mics, n_talkers = padded["mixture"].shape[1], padded["images"].shape[1]
    device = padded["mixture"].device
    return WorldBatch(
        **padded,
        has_mic=torch.tensor([[mic < len(scene.mixture) for mic in range(n_mics)] for scene in scenes], device=device),
        has_talker=torch.tensor([[talker < scene.n_talkers for talker in range(n_talkers)] for scene in scenes], device=device),
        t60=torch.tensor([scene.t60 for scene in scenes], device=device),
        snr_db=torch.tensor([scene.snr_db for scene in scenes], device=device),
        scenes=tuple(scenes),
    )


def _stacked(values: Sequence[Tensor]) -> Tensor:
    """One more axis in front, shorter ones filled up with zeros."""
    shape = [max(sizes) for sizes in zip(*(value.shape for value in values), strict=True)]
    out = values[0].new_zeros([len(values), *shape])
    for row, value in zip(out, values, strict=True):
        row[tuple(slice(0, size) for size in value.shape)] = value
    return out

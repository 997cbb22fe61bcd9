"""One process or many: the same training, started by Fabric."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import torch

from arrayscene.errors import ArraySceneError, DeviceError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Result = TypeVar("Result")

ACCELERATORS: Final = ("auto", "cpu", "gpu")


@dataclass(frozen=True)
class Run:
    """Where to train, and for how long. The same training on other devices differs by rounding alone.

    Attributes:
        accelerator: "cpu", "gpu" (CUDA), or "auto", a GPU where there is one.
        devices: processes on this machine: one a GPU, or any number on the CPU. Under torchrun its number counts.
        nodes: machines.
        minutes: from the first step on, after which the training stops as if interrupted; None: not before its end.
        tensorboard: write curves for TensorBoard too.

    Raises:
        DeviceError: an accelerator that is not there, or a number that makes no sense.
    """

    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    minutes: float | None = None
    tensorboard: bool = False

    def __post_init__(self) -> None:
        if self.accelerator not in ACCELERATORS:
            raise DeviceError(f"accelerator {self.accelerator!r} came; one of {', '.join(ACCELERATORS)} was wanted")
        if self.devices < 1 or self.nodes < 1:
            raise DeviceError(f"{self.devices} devices on {self.nodes} machines came; at least one of each was wanted")
        if self.minutes is not None and not self.minutes > 0:
            raise DeviceError(f"{self.minutes} minutes came; a positive number was wanted")


class ElsewhereError(ArraySceneError):
    """An error that another process of this training raises and reports."""


def is_first() -> bool:
    """Whether this is the first process, as far as can be told before `start`."""
    rank = os.environ.get("RANK", os.environ.get("SLURM_PROCID"))
    parts = [rank] if rank is not None else [os.environ.get(name, "0") for name in ("NODE_RANK", "LOCAL_RANK")]
    return all(int(part) == 0 for part in parts)


def start(run: Run, precision: str) -> Fabric:
    """All processes, of which this is one; those on this machine are started unless torchrun or a cluster did so.

    Raises:
        DeviceError: Lightning Fabric or the devices are not there.
    """
    try:
        from lightning_fabric import Fabric
        from lightning_fabric.plugins import MixedPrecision
    except ImportError as error:
        raise DeviceError("training needs Lightning Fabric: pip install 'arrayscene[train]'") from error
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)

    class Autocast(MixedPrecision):
        """Networks compute in 16 bits, but what comes in is not rounded: spectra span more decades than their bits resolve."""

        def convert_input(self, data: Any) -> Any:
            return data

    kind = _kind(run.accelerator)
    devices, nodes = run.devices, run.nodes
    if torch.distributed.is_available() and torch.distributed.is_torchelastic_launched():
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // devices
    if kind == "cuda" and devices > torch.cuda.device_count():
        raise DeviceError(f"{devices} GPUs came; this machine has {torch.cuda.device_count()}; give fewer --devices")
    fabric = Fabric(
        accelerator=kind,
        devices=devices,
        num_nodes=nodes,
        strategy="ddp" if devices * nodes > 1 else "auto",
        **({"precision": "32-true"} if precision == "32" else {"plugins": Autocast(precision, kind)}),  # type: ignore[arg-type]
    )
    fabric.launch()
    return fabric


def together(fabric: Fabric, work: Callable[[], Result]) -> Result:
    """What `work` returns in this process, once it has succeeded in all of them.

    Raises:
        ArraySceneError, OSError: in the first process in which it failed, `ElsewhereError` in the others.
    """
    failure = result = None
    try:
        result = work()
    except (ArraySceneError, OSError) as error:
        failure = error
    place = torch.tensor(float(fabric.world_size - fabric.global_rank if failure else 0), device=fabric.device)
    worst = int(fabric.all_reduce(place, reduce_op="max"))  # type: ignore[arg-type]
    if worst and failure and worst == fabric.world_size - fabric.global_rank:
        raise failure
    if worst:
        raise ElsewhereError(f"process {fabric.world_size - worst} failed, and says why")
    return result  # type: ignore[return-value]


def from_first(fabric: Fabric, work: Callable[[], Result]) -> Result:
    """What `work` returns in the first process, in all of them.

    Raises:
        ArraySceneError: as in `together`.
    """
    return fabric.broadcast(together(fabric, lambda: work() if fabric.is_global_zero else None))  # type: ignore[return-value]


def _kind(accelerator: str) -> str:
    there = torch.cuda.is_available()
    if accelerator == "gpu" and not there:
        raise DeviceError(
            "accelerator gpu came; torch finds no CUDA device here; take --accelerator cpu or another build of torch"
        )
    return "cuda" if there and accelerator != "cpu" else "cpu"

"""What every test shares: one thread, and the way to the shared recordings."""

import os
from pathlib import Path

import pytest

# Two threads on two cores are slower than one for these sizes, and one thread makes sums come out alike every time.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of shared recordings; a test that needs it is skipped where there is none."""
    chosen = os.environ.get("ARRAYSCENE_SHARED_DATA")
    folder = Path(chosen) if chosen else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no shared recordings at {folder}; set ARRAYSCENE_SHARED_DATA to the folder that holds them")
    return folder

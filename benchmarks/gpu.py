"""What a GPU makes of the same work: batches on the card beside one core of the same machine, and how far the results differ.

Signals are mixtures of modulated noise through random rooms of 3 microphones, as many as the batch. Times are the least of three,
of a whole batch on the GPU and of one recording on one core, times their number. The difference is that of the outputs, relative
to their RMS; the network, and the prior of the diffusion, compute in 16 bits on processors that have products of such matrices.
`python gpu.py NAME ...` runs the rows of these names only, and writes no page.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from common import describe, write_table
from torch import Tensor

from arrayscene import STFT
from arrayscene.decoders import ILRMA, WPE, AuxIVA, Decoder, DiffusionPosterior, FastMNMF
from arrayscene.networks import Evidence, SceneNet
from arrayscene.worlds import room_responses

RATE, SECONDS, BATCH = 16000, 10, 16
LONG, SHORT = STFT(2048, 512), STFT(1024, 256)
Row = dict[str, object]


def main() -> None:
    torch.set_num_threads(1)
    if not torch.cuda.is_available():
        print("skipped: no CUDA device")
        return
    rows = []
    for name in sys.argv[1:] or ROWS:
        rows.append({"": name, **ROWS[name]()})
        print(rows[-1], flush=True)
    if not sys.argv[1:]:
        machine = f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}. {describe()}"
        write_table("gpu", __doc__, machine, rows)


def mixtures(n_mics: int = 3) -> Tensor:
    """(BATCH, mic, sample)."""
    generator = torch.Generator().manual_seed(0)
    n = RATE * SECONDS
    envelopes = torch.rand(BATCH, n_mics, n // 1600 + 1, generator=generator).pow(4).repeat_interleave(1600, -1)[..., :n]
    sources = torch.randn(BATCH, n_mics, n, generator=generator) * envelopes
    decay = torch.exp(-torch.arange(3200) / 800)
    taps = torch.randn(BATCH, n_mics, n_mics, 3200, generator=generator) * decay
    n_fft = n + 3200
    heard = torch.einsum("bsf,bmsf->bmf", torch.fft.rfft(sources, n=n_fft), torch.fft.rfft(taps, n=n_fft))
    return torch.fft.irfft(heard, n=n_fft)[..., :n]


def least(work: Callable[[], object]) -> float:
    """Seconds, after one run that does not count."""
    work()
    times = []
    for _ in range(3):
        torch.cuda.synchronize()
        begun = time.perf_counter()
        work()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - begun)
    return min(times)


def row(what: str, n: int, alone: float, together: float, difference: float) -> Row:
    return {
        "what": what,
        "one core s": f"{alone * n:.2f}",
        "GPU s": f"{together:.3f}",
        "times as fast": f"{alone * n / together:.0f}",
        "difference": f"{difference:.1e}",
    }


def decoder(make: Callable[[], Decoder], stft: STFT, what: str, n_mics: int = 3, seconds: int = SECONDS) -> Row:
    y = stft(mixtures(n_mics)[..., : seconds * RATE])
    # A copy: decoders share the transform that they are given.
    on_gpu, there = copy.deepcopy(make()).to("cuda"), y.cuda()
    found, wanted = on_gpu(there).x[0].cpu(), make()(y[0]).x
    difference = float(((found - wanted).abs().square().mean() / wanted.abs().square().mean()).sqrt())
    return row(what, BATCH, least(lambda: make()(y[0])), least(lambda: on_gpu(there)), difference)


def rooms() -> Row:
    n = 64
    draws = np.random.default_rng(0)
    size = torch.from_numpy(draws.uniform([4.0, 4.0, 2.5], [8.0, 6.0, 3.5], (n, 3)))
    sources = torch.from_numpy(draws.uniform(0.15, 0.85, (n, 2, 3))) * size[:, None]
    microphones = size[:, None] * 0.5 + torch.from_numpy(draws.uniform(-0.05, 0.05, (n, 6, 3)))
    t60 = torch.full((n,), 0.6, dtype=torch.float64)

    def make(device: str, count: int) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        parts = [part[:count].to(device) for part in (size, sources, microphones, t60)]
        return room_responses(*parts, sample_rate=RATE, generator=generator)

    difference = make("cuda", 1).cpu() - make("cpu", 1)
    relative = float((difference.square().mean() / make("cpu", 1).square().mean()).sqrt())
    what = f"{n} rooms, T60 0.6 s, 2 sources, 6 microphones"
    return row(what, n, least(lambda: make("cpu", 1)), least(lambda: make("cuda", n)), relative)


def network() -> Row:
    y = SHORT(mixtures(2))
    evidence = Evidence(y[:, 0], y, 0.7 * y, torch.cat([y, y[:, :1] * 0.1], 1).abs().square())
    first = Evidence(*(part[0] for part in evidence))
    there = Evidence(*(part.cuda() for part in evidence))
    torch.manual_seed(0)
    here = SceneNet().requires_grad_(False)
    torch.nn.init.normal_(here.weights.weight, std=0.1)
    on_gpu = copy.deepcopy(here).cuda()
    wanted, found = here(first), on_gpu(there)[0].cpu()
    relative = float(((found - wanted).abs().square().mean() / wanted.abs().square().mean()).sqrt())
    return row(
        f"SceneNet, {BATCH} x {SECONDS} s, 2 sources", BATCH, least(lambda: here(first)), least(lambda: on_gpu(there)), relative
    )


ROWS: dict[str, Callable[[], Row]] = {
    "rooms": rooms,
    "auxiva": lambda: decoder(lambda: AuxIVA(n_iter=20), LONG, f"AuxIVA, {BATCH} x {SECONDS} s, 3 x 3, 20 iterations"),
    "ilrma": lambda: decoder(
        lambda: ILRMA(n_iter=20),
        LONG,
        f"ILRMA, {BATCH} x {SECONDS} s, 3 x 3, 20 iterations",
    ),
    "fastmnmf": lambda: decoder(FastMNMF, LONG, f"FastMNMF, {BATCH} x {SECONDS} s, 3 x 3"),
    "wpe": lambda: decoder(lambda: WPE(10), STFT(512, 128), f"WPE, {BATCH} x {SECONDS} s, 6 microphones, 10 taps", 6),
    "network": network,
    "diffusion": lambda: decoder(
        lambda: DiffusionPosterior(SHORT, AuxIVA(n_iter=20)), SHORT, f"DiffusionPosterior, {BATCH} x 4 s, 2 draws", 2, 4
    ),
}

if __name__ == "__main__":
    main()

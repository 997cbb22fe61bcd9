"""The few hot loops, compiled for the CPU, each beside the plain torch statement of the same maths."""

from __future__ import annotations

import torch

from arrayscene.kernels.banded import banded_weights, banded_weights_torch
from arrayscene.kernels.cacgmm import cacgmm_rounds, cacgmm_rounds_torch
from arrayscene.kernels.clean_sc import clean_sc, clean_sc_torch
from arrayscene.kernels.covariances import (
    exact_covariance,
    exact_covariance_torch,
    output_power,
    output_power_torch,
    source_covariances,
    source_covariances_torch,
)
from arrayscene.kernels.fastmnmf import component_weights, fastmnmf_update, fastmnmf_update_torch
from arrayscene.kernels.ilrma import ilrma_update, ilrma_update_torch
from arrayscene.kernels.inner import real_inner, real_inner_torch
from arrayscene.kernels.ip import ip_update, ip_update_torch
from arrayscene.kernels.ip2 import ip2_update, ip2_update_torch
from arrayscene.kernels.ipa import ipa_update, ipa_update_torch
from arrayscene.kernels.iss import iss_update, iss_update_torch
from arrayscene.kernels.past import filter_past, filter_past_torch, stacked_past
from arrayscene.kernels.point_spread import (
    nonnegative_sweeps,
    nonnegative_sweeps_torch,
    point_spread,
    point_spread_torch,
)
from arrayscene.kernels.principal import Principal, principal, principal_torch
from arrayscene.kernels.pulses import HALF_WIDTH, add_pulses, add_pulses_torch, moving_sum, moving_sum_torch
from arrayscene.kernels.recursive_wpe import recursive_prediction, recursive_prediction_torch
from arrayscene.kernels.solve import solve_positive, solve_positive_torch
from arrayscene.kernels.spherical import spherical_waves, spherical_waves_torch
from arrayscene.kernels.tiss import tiss_sweep, tiss_sweep_torch
from arrayscene.kernels.votes import coherence_phases, coherence_phases_torch, vote_heaps, vote_heaps_torch
from arrayscene.kernels.whitening import Whitened, whiten, whiten_torch
from arrayscene.kernels.wiener import image_statistics, image_statistics_torch, multichannel_wiener, multichannel_wiener_torch
from arrayscene.kernels.wpe import prediction_filter, prediction_filter_torch

__all__ = [
    "HALF_WIDTH",
    "Principal",
    "Whitened",
    "add_pulses",
    "add_pulses_torch",
    "banded_weights",
    "banded_weights_torch",
    "cacgmm_rounds",
    "cacgmm_rounds_torch",
    "clean_sc",
    "clean_sc_torch",
    "coherence_phases",
    "coherence_phases_torch",
    "component_weights",
    "exact_covariance",
    "exact_covariance_torch",
    "fastmnmf_update",
    "fastmnmf_update_torch",
    "filter_past",
    "filter_past_torch",
    "ilrma_update",
    "ilrma_update_torch",
    "image_statistics",
    "image_statistics_torch",
    "ip2_update",
    "ip2_update_torch",
    "ip_update",
    "ip_update_torch",
    "ipa_update",
    "ipa_update_torch",
    "iss_update",
    "iss_update_torch",
    "moving_sum",
    "moving_sum_torch",
    "multichannel_wiener",
    "multichannel_wiener_torch",
    "nonnegative_sweeps",
    "nonnegative_sweeps_torch",
    "output_power",
    "output_power_torch",
    "point_spread",
    "point_spread_torch",
    "prediction_filter",
    "prediction_filter_torch",
    "principal",
    "principal_torch",
    "real_inner",
    "real_inner_torch",
    "recursive_prediction",
    "recursive_prediction_torch",
    "self_test",
    "solve_positive",
    "solve_positive_torch",
    "source_covariances",
    "source_covariances_torch",
    "spherical_waves",
    "spherical_waves_torch",
    "stacked_past",
    "tiss_sweep",
    "tiss_sweep_torch",
    "vote_heaps",
    "vote_heaps_torch",
    "whiten",
    "whiten_torch",
]


def self_test() -> str:
    """Compile every kernel and hold it to its torch statement on a small case; the sentence says how it went.

    Raises: RuntimeError naming the kernel that disagrees.
    """
    generator = torch.Generator().manual_seed(0)
    y = torch.randn(5, 3, 40, dtype=torch.complex64, generator=generator)
    w = torch.rand(1, 3, 40, generator=generator) + 0.1
    edges = torch.tensor([[[0, 5]] * 5, [[max(f - 1, 0), min(f + 2, 5)] for f in range(5)]])
    v = torch.rand(5, 40, 2, generator=generator) + 0.1
    factor = torch.randn(5, 2, 3, 3, dtype=torch.complex64, generator=generator)
    images = y.movedim(1, 0) * torch.tensor([0.5, 0.2])[:, None, None, None]
    wiener = (y.movedim(1, 0), v.movedim(-1, 0), factor @ factor.mH, torch.full((5,), 0.1), 0)
    pair = (wiener[2][:, 0], wiener[2][:, 1] + 0.1 * torch.eye(3))
    eye = torch.eye(9, dtype=torch.complex128).expand(5, 9, 9)
    prediction = (y, 3, 3, 2, 1, 1e-3, 1e-3)
    recursion = (y, w[0, :1, :35].expand(5, -1), eye, torch.zeros_like(eye[:, :3]), 0, 3, 0.98, 0.1)
    steering = (y, eye[:, :3], y, w, eye[:, :3, :3], 3)
    white = whiten(y, torch.full((5,), 1e-3))
    updated = (eye[:, :3, :3] + 0.1, source_covariances(white.parts, w, white.noise))
    factors = (updated[0], torch.rand(5, 3, 2, generator=generator), torch.rand(3, 2, 40, generator=generator))
    gains = torch.rand(5, 3, 3, generator=generator)
    laid = torch.zeros(2, 200)
    pulses = (torch.tensor([0, 7, 119]), torch.tensor([0.0, 0.3, -0.5]), torch.tensor([1.0, -0.5, 0.2]))
    add_pulses(laid[0], *pulses)
    add_pulses_torch(laid[1], *pulses)
    moving = (w[0, 0], 4, 3 + v[:3, :4, :2].mT.to(torch.float64), v[:3, :4, :2].mT, 5, 12, 2)
    waves = (v[:3, :, 0] + 1, v[:3, :, 1].to(torch.float64), torch.tensor([3.0, 20.0], dtype=torch.float64))
    A = spherical_waves(*waves)
    a = A[1]
    spread = point_spread(a, a, remove_diagonal=True)
    sources = torch.rand(40, generator=generator)
    cleaning = ((spread.mT @ sources)[None], ((a * sources) @ a.mH)[None], a[None])
    cleaned, cleaned_torch = (
        clean(*cleaning, remove_diagonal=True, damping=0.6, n_iter=6, patience=3) for clean in (clean_sc, clean_sc_torch)
    )
    cases = (
        ("add_pulses", laid[0], laid[1]),
        ("moving_sum", moving_sum(*moving), moving_sum_torch(*moving)),
        ("whiten", white.parts, whiten_torch(y, torch.full((5,), 1e-3)).parts),
        ("exact_covariance", exact_covariance(y), exact_covariance_torch(y)),
        ("source_covariances", updated[1], source_covariances_torch(white.parts, w, white.noise)),
        (
            "output_power",
            output_power(white.parts, updated[0], pooled=True),
            output_power_torch(white.parts, updated[0], pooled=True),
        ),
        ("ip_update", ip_update(*updated), ip_update_torch(*updated)),
        ("ip2_update", ip2_update(*updated), ip2_update_torch(*updated)),
        ("ipa_update", ipa_update(*updated), ipa_update_torch(*updated)),
        ("iss_update", iss_update(*updated), iss_update_torch(*updated)),
        ("banded_weights", banded_weights(y.abs().square(), edges), banded_weights_torch(y.abs().square(), edges)),
        (
            "cacgmm_rounds",
            cacgmm_rounds(y, w.movedim(0, 1), 2, loading=1e-2, tied=True),
            cacgmm_rounds_torch(y, w.movedim(0, 1), 2, loading=1e-2, tied=True),
        ),
        ("ilrma_update", ilrma_update(white, *factors, 0.1, 2)[2], ilrma_update_torch(white, *factors, 0.1, 2)[2]),
        ("fastmnmf_update", fastmnmf_update(white, *factors, gains, 2)[2], fastmnmf_update_torch(white, *factors, gains, 2)[2]),
        ("image_statistics", image_statistics(wiener[0], images, 1e-3)[1], image_statistics_torch(wiener[0], images, 1e-3)[1]),
        ("multichannel_wiener", multichannel_wiener(*wiener), multichannel_wiener_torch(*wiener)),
        ("filter_past", filter_past(y, eye[:, :2].to(y.dtype), 3), filter_past_torch(y, eye[:, :2].to(y.dtype), 3)),
        ("prediction_filter", prediction_filter(*prediction), prediction_filter_torch(*prediction)),
        ("recursive_prediction", recursive_prediction(*recursion)[0], recursive_prediction_torch(*recursion)[0]),
        ("tiss_sweep", tiss_sweep(*steering)[0], tiss_sweep_torch(*steering)[0]),
        ("solve_positive", solve_positive(pair[1], pair[0]), solve_positive_torch(pair[1], pair[0])),
        ("real_inner", real_inner(A, A), real_inner_torch(A, A)),
        ("spherical_waves", A, spherical_waves_torch(*waves)),
        ("point_spread", spread, point_spread_torch(a, a, remove_diagonal=True)),
        (
            "nonnegative_sweeps",
            nonnegative_sweeps(spread, cleaning[0][0], sources, 3)[0],
            nonnegative_sweeps_torch(spread, cleaning[0][0], sources, 3)[0],
        ),
        ("clean_sc", cleaned, cleaned_torch),
        ("principal", principal(*pair).filter, principal_torch(*pair).filter),
    )
    for name, found, wanted in cases:
        error = float((found - wanted).abs().max() / wanted.abs().max())
        if not error < 1e-4:
            raise RuntimeError(f"kernel {name} differs from its torch statement by {error:.1e}; 1e-4 is allowed")
    return f"{len(cases)} kernels compiled and equal to their torch statements"

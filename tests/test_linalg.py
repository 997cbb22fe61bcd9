"""Small Hermitian tools against loops."""

import torch

from arrayscene.linalg import weighted_covariance
from drawn import randn


def test_weighted_covariance_is_the_weighted_mean_of_outer_products() -> None:
    y, weights = randn(3, 2, 7), torch.rand(2, 2, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    R = weighted_covariance(y, weights)
    for f in range(2):
        for k in range(2):
            wanted = sum(weights[k, f, t] * torch.outer(y[:, f, t], y[:, f, t].conj()) for t in range(7)) / weights[k, f].sum()
            torch.testing.assert_close(R[f, k], wanted)


def test_weighted_covariance_takes_one_weight_for_all_frequencies_and_none_at_all() -> None:
    y = randn(2, 3, 2, 7)
    weights = torch.stack([torch.ones(1, 7), torch.zeros(1, 7)])
    R = weighted_covariance(y, weights)
    assert R.shape == (2, 2, 2, 3, 3)
    torch.testing.assert_close(R[1, :, 0], torch.einsum("mft,nft->fmn", y[1], y[1].conj()) / 7)
    assert not bool(R[:, :, 1].any())

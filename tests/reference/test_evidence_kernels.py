"""What the network sees and what its answer makes of the sources: kernels beside their statements."""

import pytest
import torch

from arrayscene.kernels.evidence import BAND, N_PARTS, band_features, band_features_torch, combination, combination_torch

Case = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def evidence(n_sources: int, n_freqs: int, n_frames: int, *leading: int) -> Case:
    """In the order in which transforms leave frames in memory, with a silent frame and sources 80 dB apart."""
    generator = torch.Generator().manual_seed(n_freqs)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*leading, *shape, n_frames, n_freqs, dtype=torch.complex64, generator=generator).mT

    mixture, linear, filtered, spread = draw(), draw(n_sources), draw(n_sources), draw(n_sources + 1)
    linear[..., -1, :, :] *= 1e-4
    for part in (mixture, linear, filtered, spread):
        part[..., n_frames // 2] = 0
    return mixture, linear, filtered, spread.abs().square()


CASES = [(1, 5, 3), (2, 65, 21), (3, 33, 8), (2, 20, 17, 2), (4, 64, 9, 2, 1)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_features(case: tuple[int, ...], dtype: torch.dtype) -> None:
    parts, n_bands = evidence(*case), case[1] // BAND
    seen, wanted = band_features(*parts, n_bands, dtype), band_features_torch(*parts, n_bands, dtype)
    assert seen.dtype == dtype
    assert seen.shape == wanted.shape
    assert seen.shape[-2] % 4 == seen.shape[-1] % 4 == 0
    rounding = 1e-4 if dtype == torch.float32 else 2.0**-7
    torch.testing.assert_close(seen, wanted, rtol=rounding, atol=rounding)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_features_relative_to_a_mean_power_that_changes(case: tuple[int, ...]) -> None:
    parts, n_bands = evidence(*case), case[1] // BAND
    mean = parts[0].abs().square().cumsum(-1)
    seen, wanted = (f(*parts, n_bands, torch.float32, mean) for f in (band_features, band_features_torch))
    torch.testing.assert_close(seen, wanted, rtol=1e-4, atol=1e-4)
    for f in (band_features, band_features_torch):
        # One that does not change is that of all frames.
        steady = parts[0].abs().square().mean(-1, keepdim=True).expand_as(mean)
        torch.testing.assert_close(
            f(*parts, n_bands, torch.float32, steady), f(*parts, n_bands, torch.float32), rtol=0, atol=1e-4
        )
    assert not torch.allclose(seen, band_features(*parts, n_bands, torch.float32), atol=0.1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_combination(case: tuple[int, ...], dtype: torch.dtype) -> None:
    mixture, linear, filtered, _ = evidence(*case)
    n_sources, n_freqs, n_frames, *leading = case
    # More frames than the sources have, and bands that do not reach the highest frequencies.
    shape = (*leading, n_sources, 2 * N_PARTS * BAND, (n_freqs // BAND + 1) // 2, n_frames + 2)
    weights = torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    found, wanted = (f(weights, mixture, linear, filtered) for f in (combination, combination_torch))
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)
    untouched = weights.shape[-2] * BAND
    mean = 0.5 * (linear + filtered)
    torch.testing.assert_close(found[..., untouched:, :], mean[..., untouched:, :])


def test_the_order_in_memory_does_not_matter() -> None:
    parts = evidence(2, 24, 10)
    other = tuple(part.contiguous() for part in parts)
    assert torch.equal(band_features(*parts, 6, torch.float32), band_features(*other, 6, torch.float32))

"""The likelihood of tiles, held to a slow statement of the same, and what it is blind to."""

import numpy as np
import torch
from fields import field, irregular

from arrayscene.diagnosis.field import SENSOR_NOISE, SHARES, FieldModel
from arrayscene.diagnosis.hypothesis import Hypothesis
from arrayscene.diagnosis.tiles import tiles_of
from arrayscene.recording import Recording

ARRAY = irregular(4)
RECORDING = field(ARRAY)


def test_the_likelihood_is_that_of_one_source_in_an_isotropic_field() -> None:
    tiles = tiles_of(RECORDING)
    model = FieldModel(ARRAY, tiles.frequencies)
    found = model.log_likelihood(tiles).numpy()
    where, _ = model.seek(tiles)
    apart = np.linalg.norm(ARRAY.positions[:, None] - ARRAY.positions[None], axis=-1)
    for t in range(0, len(found), 5):
        for f in range(0, found.shape[1], 7):
            if not tiles.audible[t, f]:
                assert found[t, f] == 0
                continue
            gamma = np.sinc(2 * float(tiles.frequencies[f]) / 343.2 * apart)
            a = model.steering[f, :, where[t]].numpy().astype(complex)
            C = tiles.coherence[t, f].numpy().astype(complex)
            scores = []
            for noise in SENSOR_NOISE:
                for share in SHARES:
                    S = share * np.outer(a, a.conj()) + (1 - share) * (gamma + noise * np.eye(4)) / (1 + noise)
                    trace = np.trace(np.linalg.solve(S, C)).real
                    scores.append(-np.linalg.slogdet(S)[1] / 4 - np.log(trace / 4))
            np.testing.assert_allclose(found[t, f], max(scores), atol=2e-2)


def test_gains_do_not_count() -> None:
    louder = Recording(RECORDING.samples * np.array([[1.0], [3.0], [0.5], [1.0]], np.float32), RECORDING.sample_rate, ARRAY)
    tiles, other = tiles_of(RECORDING), tiles_of(louder)
    model = FieldModel(ARRAY, tiles.frequencies)
    torch.testing.assert_close(tiles.coherence, other.coherence, atol=1e-4, rtol=0)
    both = tiles.audible & other.audible
    torch.testing.assert_close(model.log_likelihood(tiles)[both], model.log_likelihood(other)[both], atol=1e-2, rtol=0)


def test_a_hypothesis_undoes_what_was_done() -> None:
    tiles = tiles_of(RECORDING)
    model = FieldModel(ARRAY, tiles.frequencies)
    order, signs, delays = (2, 0, 3, 1), (1, -1, 1, 1), (0.0, 1e-4, 0.0, -5e-5)
    done = Hypothesis((0, 1, 2, 3), signs, tuple(-delay for delay in delays)).undo(
        tiles._replace(coherence=tiles.coherence[:, :, list(order)][..., list(order)], power=tiles.power[..., list(order)])
    )
    undone = Hypothesis(order, signs, delays).undo(done)
    torch.testing.assert_close(undone.coherence, tiles.coherence)
    torch.testing.assert_close(undone.power, tiles.power)
    worse = model.log_likelihood(done).sum()
    assert worse < model.log_likelihood(undone).sum()


def test_wide_arrays_also_hear_near_talkers() -> None:
    wide = FieldModel(irregular(5, size=0.6), tiles_of(RECORDING).frequencies)
    n = len(wide.grid.azimuth)
    assert wide.steering.shape[-1] == len(wide.direction) > n
    assert int(wide.direction.max()) < n

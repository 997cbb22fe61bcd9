"""Channels of measured responses, put into another order by the test."""

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import soxr
from scipy.signal import fftconvolve

from arrayscene.array import MicrophoneArray
from arrayscene.diagnosis import diagnose, suspicion
from arrayscene.recording import Recording


@pytest.mark.shared_data
@pytest.mark.parametrize("stride", [1, 3])
def test_a_measured_line_is_put_in_order(shared_data: Path, stride: int) -> None:
    folder = shared_data / "measured" / "rs_mnmf_ula32"
    if not folder.is_dir():
        pytest.skip(f"no measured line of microphones at {folder}")
    mics = 2 + stride * np.arange(8)
    response = soxr.resample(sf.read(folder / "sources" / "rir_source_2.wav")[0], 48000, 16000).T[mics]
    clip = np.resize(sf.read(folder / "audio" / "female" / "1.wav", always_2d=True)[0][:, 0], 4 * 16000)
    heard = fftconvolve(response, clip[None], axes=1)[:, : len(clip)]
    samples = (0.1 * heard / np.abs(heard).max()).astype(np.float32)
    array = MicrophoneArray.from_positions(np.stack([0 * mics, 0.03 * mics, 0 * mics], axis=-1), layout="mic-first")
    recording = Recording(samples, 16000, array)
    assert not [finding for finding in diagnose(recording).findings if finding.kind in ("order", "polarity", "size")]
    assert suspicion(recording) == []
    order = np.array([0, 5, 2, 3, 1, 4, 6, 7])
    diagnosis = diagnose(Recording(np.ascontiguousarray(samples[order]), 16000, array))
    assert diagnosis.findings[0].kind == "order"
    assert diagnosis.corrected is not None
    rows = np.argsort(order)
    assert diagnosis.corrected.channels in (tuple(rows + 1), tuple(rows[::-1] + 1))

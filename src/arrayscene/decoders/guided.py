"""Guided source separation: each speaker by itself, where a diarisation says who speaks when."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from arrayscene.arguments import check_kind
from arrayscene.decoders.base import Decoder
from arrayscene.decoders.clustering import Clustering
from arrayscene.decoders.dereverberated import Dereverberated
from arrayscene.decoders.mwf import SDWMWF
from arrayscene.decoders.statistics import Segments
from arrayscene.decoders.wiener import MultichannelWiener
from arrayscene.stft import STFT

PILOT_WINDOWS = 4
"""The pilot's window over that of the frames: long ones hold most of a room's response."""


def guided(
    activity: Sequence[ArrayLike],
    *,
    stft: STFT,
    sample_rate: float,
    n_iter: int = 20,
    dereverberation: Decoder | None = None,
    reference: int = 0,
) -> Decoder:
    """A decoder of speakers whose stretches are known; it needs no directions, no response, and no microphone positions.

    The stretches start masks that are learnt from the whole recording (`Clustering(Segments(...))`: frames in which a speaker is
    alone tell how it sounds at the microphones, and a speaker stays out of frames that are not its own), the masks make a
    multichannel Wiener filter in windows four times as long, and this the pilot of one in the frames that come in. What leads up
    to a stretch and follows it is context, so pass the recording whole, or stretches with some seconds around them.

    Args:
        activity: one (segment, 2) list of start and end in seconds for each speaker, such as the values of
            `arrayscene.diarisation.read_rttm`. Frames that lie wholly inside count.
        stft: transform of the frames that will come, best with windows of 64 ms.
        sample_rate: hertz.
        n_iter: rounds of the masks.
        dereverberation: decoder that comes first, such as `WPE`; None leaves the reverberation in.
        reference: microphone, from 0, at which the speakers are heard.

    Returns: a decoder of the whole recording, for as many speakers as there are lists, in their order. There may be more than
        microphones.

    Raises: ShapeError for stretches without these axes or that do not run forward.

    Cost: O(n_iter freq frame speaker mic^2), compiled, plus that of `MultichannelWiener`.

    Reference: C. Boeddecker et al., "Front-end processing for the CHiME-5 dinner party scenario", CHiME 2018.
    """
    check_kind("guided: stft", stft, STFT, "the STFT of the frames that will come")
    pilot_stft = STFT(PILOT_WINDOWS * stft.n_fft)
    known = Segments.in_seconds(activity, stft=pilot_stft, sample_rate=sample_rate)
    pilot = SDWMWF(Clustering(known, n_iter), reference=reference)
    decoder = MultichannelWiener(pilot, stft, pilot_stft, reference=reference)
    return decoder if dereverberation is None else Dereverberated(decoder, dereverberation)

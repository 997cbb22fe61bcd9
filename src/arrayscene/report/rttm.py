"""RTTM, the line format of speaker diarisation: who sounds when."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from arrayscene.scene import Scene


def rttm(scene: Scene) -> str:
    """One SPEAKER line an active stretch, ordered by onset; empty when nothing was found.

    Reference: NIST, The 2009 Rich Transcription Meeting Recognition Evaluation Plan, appendix A.
    """
    name = file_id(scene)
    stretches = [
        (float(start), float(stop), source.name or f"source-{index}")
        for index, source in enumerate(scene.sources, start=1)
        for start, stop in np.reshape(source.active, (-1, 2))
        if stop > start
    ]
    return "".join(
        f"SPEAKER {name} 1 {start:.3f} {stop - start:.3f} <NA> <NA> {speaker} <NA> <NA>\n"
        for start, stop, speaker in sorted(stretches)
    )


def file_id(scene: Scene) -> str:
    """Name of the first input without folder, ending and white space; "recording" when the scene came from memory."""
    stem = Path(str(scene.inputs[0])).stem if scene.inputs else ""
    return re.sub(r"\s+", "_", stem.strip()) or "recording"

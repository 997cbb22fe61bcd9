"""The speech of a training, and what is known of its licence."""

from __future__ import annotations

from pathlib import Path

from arrayscene.naming import counted
from arrayscene.training.config import TrainingConfig
from arrayscene.worlds import Speech

_PAPERS = ("LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "README", "ATTRIBUTION")


def speech_of(config: TrainingConfig) -> Speech:
    """The folder that the configuration names, or the shipped voices.

    Raises:
        RecordingError: no such folder, or nothing in it that can be used.
    """
    return Speech.folder(config.speech) if config.speech else Speech.shipped()


def about_speech(speech: str) -> str:
    """One or two sentences for a card: whose speech it was, and under which licence.

    Args:
        speech: folder, as `TrainingConfig.speech`.
    """
    if not speech:
        return (
            "Speech: the six voices that arrayscene ships, of four speakers, licensed CC BY-SA 3.0 (English, Spanish, French) "
            "and CC BY 3.0 (Italian, Russian), with attributions in its `assets/voices/README.md`; so few speakers show that "
            "the training works, not more."
        )
    found = Speech.folder(speech)
    papers = sorted(path.name for path in Path(speech).iterdir() if path.is_file() and path.stem.upper() in _PAPERS)
    licence = f"see {', '.join(papers)} in that folder" if papers else "not known; write it here before you pass the weights on"
    n_clips = sum(len(clips) for clips in found.clips.values())
    return (
        f"Speech: {counted(n_clips, 'file')} of {counted(len(found.clips), 'speaker')} from `{Path(speech).name}`; speakers "
        f"for the scores are kept out of the training. Licence of the speech: {licence}."
    )

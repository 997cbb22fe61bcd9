"""What a diagnosis found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from arrayscene.array import MicrophoneArray

Kind = Literal["order", "polarity", "delay", "gain", "mirror", "rotation", "azimuths", "size", "misfit", "unclear"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or that keeps anything from being said.

    Attributes:
        kind: "order", "polarity", "delay", "gain", "mirror", "rotation"; "azimuths": the known ones fit no turn of the array;
            "size": another one than the file's; "misfit": nothing explains the recording; "unclear": it tells too little.
        message: a sentence with figures; channels counted from 1.
        confidence: 0 to 1, how sure it is; 0.5 at the least that is reported.
        channels: file channels concerned, counted from 1.
    """

    kind: Kind
    message: str
    confidence: float
    channels: tuple[int, ...] = ()


@dataclass(frozen=True)
class Diagnosis:
    """What a recording says about its array.

    Attributes:
        array: as it was believed to be, without channels that cannot be used.
        findings: what is wrong, most important first; none where everything fits.
        corrected: the array as it seems to be, all channels of the recording's device included; None where nothing is to be
            corrected, or an array file cannot say it.
        confidence: 0 to 1; that the order of the channels is right where nothing was found, else the surest finding's.
        scores: nats a microphone and snapshot by which each hypothesis explains the recording better than the array as it is.
        ambiguities: sentences on what this recording cannot show.
        notes: channels that were left out, and why.
    """

    array: MicrophoneArray
    findings: tuple[Finding, ...]
    corrected: MicrophoneArray | None
    confidence: float
    scores: dict[str, float] = field(default_factory=dict)
    ambiguities: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def clear(self) -> bool:
        """Whether the recording tells enough to say anything."""
        return not any(finding.kind == "unclear" for finding in self.findings)

    @property
    def fits(self) -> bool:
        """Whether everything is as the array says."""
        return not self.findings

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "format": "arrayscene.diagnosis",
            "version": 1,
            "array": self.array.name,
            "fits": self.fits,
            "clear": self.clear,
            "confidence": round(self.confidence, 4),
            "findings": [
                {
                    "kind": finding.kind,
                    "message": finding.message,
                    "confidence": round(finding.confidence, 4),
                    "channels": list(finding.channels),
                }
                for finding in self.findings
            ],
            "scores": {name: round(score, 5) for name, score in self.scores.items()},
            "ambiguities": list(self.ambiguities),
            "notes": list(self.notes),
            "corrected": None if self.corrected is None else self.corrected.to_dict(),
        }

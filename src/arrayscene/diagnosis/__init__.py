"""Diagnosis: what is wrong with an array's channels, from what they recorded; and their calibration with known places."""

from arrayscene.diagnosis.calibrate import Calibration, Place, calibrate
from arrayscene.diagnosis.diagnose import diagnose, suspicion
from arrayscene.diagnosis.result import Diagnosis, Finding

__all__ = ["Calibration", "Diagnosis", "Finding", "Place", "calibrate", "diagnose", "suspicion"]

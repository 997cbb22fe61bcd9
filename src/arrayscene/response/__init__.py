"""A: what the array hears of a source at a place."""

from arrayscene.response.air import Air
from arrayscene.response.base import MatrixResponse, Response
from arrayscene.response.composition import AtFrequencies, Cascade, Joined
from arrayscene.response.convolutive import ConvolutiveResponse, fit_convolutive
from arrayscene.response.cylinder import RigidCylinder
from arrayscene.response.directions import even_azimuths, unit_vectors
from arrayscene.response.directivity import Directivity
from arrayscene.response.far import far_field
from arrayscene.response.impulse_responses import ImpulseResponses
from arrayscene.response.measured import MeasuredResponse
from arrayscene.response.relative import least_squares_transfer, relative_transfer, whitened_transfer
from arrayscene.response.rigid import RigidSphere
from arrayscene.response.room import RoomResponse
from arrayscene.response.steering import PlaneWave, SphericalWave

__all__ = [
    "Air",
    "AtFrequencies",
    "Cascade",
    "ConvolutiveResponse",
    "Directivity",
    "ImpulseResponses",
    "Joined",
    "MatrixResponse",
    "MeasuredResponse",
    "PlaneWave",
    "Response",
    "RigidCylinder",
    "RigidSphere",
    "RoomResponse",
    "SphericalWave",
    "even_azimuths",
    "far_field",
    "fit_convolutive",
    "least_squares_transfer",
    "relative_transfer",
    "unit_vectors",
    "whitened_transfer",
]

"""Who is where at every moment, and who is who: detections, tracks, identities."""

from arrayscene.tracking.detections import Detections, FrameDirections
from arrayscene.tracking.follow import Followed, Follower
from arrayscene.tracking.identities import Identities, IdentityConfig
from arrayscene.tracking.kalman import Motion
from arrayscene.tracking.signals import separate
from arrayscene.tracking.space import Space, space_of
from arrayscene.tracking.tracker import Tracker, TrackerConfig, TrackFrame
from arrayscene.tracking.tracks import Track, Tracks
from arrayscene.tracking.whole import track

__all__ = [
    "Detections",
    "Followed",
    "Follower",
    "FrameDirections",
    "Identities",
    "IdentityConfig",
    "Motion",
    "Space",
    "Track",
    "TrackFrame",
    "Tracker",
    "TrackerConfig",
    "Tracks",
    "separate",
    "space_of",
    "track",
]

"""Simulated worlds: any number of scenes with known truth, made on the fly for training or written as a data set."""

from arrayscene.worlds.config import WorldConfig
from arrayscene.worlds.dataset import WorldBatch, WorldDataset, WorldStream, collate
from arrayscene.worlds.diffuse import diffuse_field
from arrayscene.worlds.folder import WorldFolder, check_folder, write_world
from arrayscene.worlds.rooms import room_responses
from arrayscene.worlds.scene_files import read_scene
from arrayscene.worlds.speech import Speech, SpeechWarning
from arrayscene.worlds.world import World, WorldScene

__all__ = [
    "Speech",
    "SpeechWarning",
    "World",
    "WorldBatch",
    "WorldConfig",
    "WorldDataset",
    "WorldFolder",
    "WorldScene",
    "WorldStream",
    "check_folder",
    "collate",
    "diffuse_field",
    "read_scene",
    "room_responses",
    "write_world",
]

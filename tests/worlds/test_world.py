"""Scenes: what they hold, what makes them the same, and what they refuse."""

import math
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from arrayscene.array import MicrophoneArray
from arrayscene.errors import ArraySceneError, GeometryError, RecordingError, ShapeError
from arrayscene.worlds import SpeechWarning, World, WorldBatch, WorldConfig, WorldDataset, WorldScene, WorldStream, collate

SIGNALS = ("mixture", "images", "early", "dry", "noise")


def same(first: WorldScene, second: WorldScene) -> bool:
    return all(torch.equal(getattr(first, name), getattr(second, name)) for name in SIGNALS)


def power_db(signal: torch.Tensor) -> float:
    return float(10 * torch.log10(signal.double().square().mean()))


@pytest.fixture
def world(quick: WorldConfig, speech_folder: Path) -> World:
    return World(quick, speech_folder, seed=5)


def test_shapes_and_the_sum(world: World) -> None:
    for index in range(6):
        scene = world.scene(index)
        n_mics, n_talkers, n_samples = scene.array.n_mics, scene.n_talkers, 12800
        assert scene.mixture.shape == (n_mics, n_samples)
        assert scene.images.shape == scene.early.shape == (n_talkers, 1, n_samples)
        assert scene.dry.shape == (n_talkers, n_samples)
        assert scene.noise.shape == (1, n_samples)
        assert scene.positions.shape == (n_talkers, 9, 3)
        assert scene.azimuths.shape == scene.elevations.shape == scene.distances.shape == (n_talkers, 9)
        assert scene.microphones.shape == scene.true_microphones.shape == (n_mics, 3)
        assert all(getattr(scene, name).dtype == torch.float32 for name in SIGNALS)
        if scene.clip_db is None:
            whole = scene.images.sum(0) + scene.noise
            torch.testing.assert_close(scene.mixture[:1], whole, atol=1e-6, rtol=0)
        assert float(scene.mixture.abs().max()) <= 1


def test_a_scene_depends_on_its_number_alone(world: World, quick: WorldConfig, speech_folder: Path) -> None:
    first = world.scene(3)
    world.scene(1)
    assert same(world.scene(3), first)
    assert same(World(quick, speech_folder, seed=5).scene(3), first)
    assert not torch.equal(World(quick, speech_folder, seed=6).scene(3).mixture, first.mixture)
    assert not torch.equal(world.scene(4).mixture, first.mixture)


def test_the_number_of_threads_does_not_matter(world: World) -> None:
    first = world.scene(2)
    torch.set_num_threads(2)
    try:
        assert same(world.scene(2), first)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_workers_and_batches_make_the_same_scenes(world: World) -> None:
    alone = [world.scene(index) for index in range(4)]
    dataset = WorldDataset(world, 4)
    with warnings.catch_warnings():
        # Python 3.12 and later warn of forks in a process with threads.
        warnings.simplefilter("ignore", DeprecationWarning)
        batches = list(DataLoader(dataset, batch_size=2, num_workers=2, collate_fn=collate))
        stream = DataLoader(WorldStream(world, first=1), batch_size=None, num_workers=2)
        streamed = [scene for scene, _ in zip(stream, range(3), strict=False)]
    made = [scene for batch in batches for scene in batch.scenes]
    assert all(same(one, other) for one, other in zip(made, alone, strict=True))
    assert all(same(one, other) for one, other in zip(streamed, alone[1:], strict=True))


def test_a_batch_says_what_a_scene_does_not_have(world: World) -> None:
    scenes = [world.scene(index) for index in range(5)]
    batch = collate(scenes)
    assert isinstance(batch, WorldBatch)
    assert batch.mixture.shape == (5, max(len(scene.mixture) for scene in scenes), 12800)
    for row, scene in enumerate(scenes):
        n_mics, n_talkers = len(scene.mixture), scene.n_talkers
        assert batch.has_mic[row].tolist() == [mic < n_mics for mic in range(batch.mixture.shape[1])]
        assert int(batch.has_talker[row].sum()) == n_talkers
        assert torch.equal(batch.mixture[row, :n_mics], scene.mixture)
        assert not batch.mixture[row, n_mics:].any()
        assert torch.equal(batch.images[row, :n_talkers], scene.images)


def test_ranks_share_a_stream(world: World) -> None:
    streams = [iter(WorldStream(world, rank=rank, n_ranks=2)) for rank in range(2)]
    assert [next(streams[0]).index, next(streams[1]).index, next(streams[0]).index] == [0, 1, 2]


def test_directions_are_those_of_the_sound(speech_folder: Path) -> None:
    """In free air the delays follow from the positions in the array's own frame, wherever it is turned."""
    config = WorldConfig(
        duration=0.5,
        t60=(0, 0),
        arrays=("circular:4:0.1",),
        n_talkers=(1, 1),
        moving=0,
        position_error=0,
        delay_error=0,
        gain_error_db=0,
        diffuse_snr_db=(80, 80),
        sensor_snr_db=(90, 90),
        point_noise=0,
        clipping=0,
        images_at="all",
    )
    world = World(config, speech_folder)
    for index in range(4):
        scene = world.scene(index)
        ways = (scene.positions[0, 0] - scene.microphones).norm(dim=-1)
        spectra = torch.fft.rfft(scene.images[0].double())
        hertz = torch.fft.rfftfreq(8000, 1 / 16000)
        band = (hertz > 100) & (hertz < 2500)
        cross = spectra[:, band] * spectra[:1, band].conj()
        expected = torch.exp(-2j * math.pi * hertz[band] * (ways - ways[0])[:, None] / 343.2)
        agreement = (cross * expected.conj()).real.sum(-1) / cross.abs().sum(-1)
        assert float(agreement.min()) > 0.99
        # Spherical spreading: what is heard, over what is said.
        assert power_db(scene.images[0, 0]) - power_db(scene.dry[0]) == pytest.approx(-20 * math.log10(float(ways[0])), abs=0.3)


def test_levels_are_those_asked_for(speech_folder: Path, quick: WorldConfig) -> None:
    config = replace(
        quick,
        gain_error_db=0,
        delay_error=0,
        point_noise=0,
        clipping=0,
        level_difference_db=(0, 0),
        diffuse_snr_db=(10, 10),
        sensor_snr_db=(90, 90),
        level_db=(-40, -40),
    )
    for index in range(4):
        scene = World(config, speech_folder).scene(index)
        levels = [power_db(image) for image in scene.images]
        assert levels == pytest.approx([levels[0]] * scene.n_talkers, abs=1e-3)
        assert power_db(scene.images.sum(0)) - power_db(scene.noise) == pytest.approx(10, abs=0.1)
        assert scene.snr_db == pytest.approx(10, abs=0.1)
        assert power_db(scene.mixture[0]) == pytest.approx(-40, abs=1e-3)


def test_clipping_is_at_full_scale_and_leaves_the_parts_alone(speech_folder: Path, quick: WorldConfig) -> None:
    scene = World(replace(quick, clipping=1, clip_db=(6, 6)), speech_folder).scene(0)
    assert scene.clip_db == pytest.approx(6)
    assert float(scene.mixture.abs().max()) == 1
    whole = (scene.images.sum(0) + scene.noise)[0]
    torch.testing.assert_close(scene.mixture[0], whole.clamp(-1, 1), atol=1e-5, rtol=0)


def test_early_target_lies_between_nothing_and_the_image(speech_folder: Path, quick: WorldConfig) -> None:
    still = replace(quick, moving=0, t60=(0.3, 0.3), gain_error_db=0, delay_error=0)
    none, some = (World(replace(still, early=early), speech_folder).scene(1) for early in (0.0, 0.05))
    torch.testing.assert_close(none.images, some.images)
    missing = [power_db(scene.images - scene.early) for scene in (none, some)]
    assert missing[0] > missing[1] + 3
    assert power_db(some.images) > missing[1]


def test_everything_stands_inside_and_apart(speech_folder: Path) -> None:
    config = WorldConfig(duration=4.0, moving=0.5, n_talkers=(4, 4))
    world = World(config, speech_folder)
    walked = 0
    for index in range(60):
        plan = world.plan(index)
        for places in (plan.microphones, plan.starts, plan.ends):
            assert np.all(places > 0)
            assert np.all(places < plan.room_size)
        distances = np.linalg.norm(plan.starts - plan.array_center, axis=1)
        assert np.all((distances >= 0.5 - 1e-9) & (distances <= 4 + 1e-9))
        azimuths = np.sort(np.arctan2(*(plan.starts - plan.array_center)[:, 1::-1].T))
        gaps = np.diff(np.append(azimuths, azimuths[0] + 2 * np.pi))
        assert gaps.min() >= config.separation - 1e-9
        assert len(set(plan.speakers)) == 4
        walked += int(np.sum(np.any(plan.starts != plan.ends, axis=1)))
    assert 80 < walked < 160


def test_microphones_have_the_errors_asked_for(speech_folder: Path) -> None:
    world = World(WorldConfig(position_error=0.002, gain_error_db=1.5, delay_error=1e-5, n_talkers=(1, 1)), speech_folder)
    plans = [world.plan(index) for index in range(100)]
    back = [
        (plan.microphones - plan.array_center)
        @ np.array(
            [
                [np.cos(plan.array_azimuth), -np.sin(plan.array_azimuth), 0],
                [np.sin(plan.array_azimuth), np.cos(plan.array_azimuth), 0],
                [0, 0, 1],
            ]
        )
        - plan.array.positions
        for plan in plans
    ]
    assert np.std(np.concatenate(back)) == pytest.approx(0.002, rel=0.1)
    assert np.std(np.concatenate([plan.gains_db for plan in plans])) == pytest.approx(1.5, rel=0.1)
    assert np.std(np.concatenate([plan.delays for plan in plans])) == pytest.approx(1e-5, rel=0.1)


def test_a_delay_error_delays_a_channel(speech_folder: Path, quick: WorldConfig) -> None:
    plain = replace(quick, t60=(0, 0), images_at="all", moving=0, delay_error=0, gain_error_db=0, position_error=0, clipping=0)
    before, after = (World(replace(plain, delay_error=error), speech_folder).scene(2) for error in (0, 5e-5))
    hertz = torch.fft.rfftfreq(12800, 1 / 16000)
    band = (hertz > 200) & (hertz < 3000)
    ratio = torch.fft.rfft(after.images[0])[:, band] / torch.fft.rfft(before.images[0])[:, band]
    turn = torch.exp(-2j * math.pi * hertz[band] * after.delays[:, None])
    weight = torch.fft.rfft(before.images[0])[:, band].abs().square()
    agreement = ((ratio / ratio.abs() * turn.conj()).real * weight).sum(-1) / weight.sum(-1)
    assert float(agreement.min()) > 0.99
    assert float(after.delays.abs().max()) > 1e-5


def test_presets_and_layouts_are_drawn(speech_folder: Path) -> None:
    world = World(WorldConfig(), speech_folder)
    names = {world.plan(index).array.name for index in range(80)}
    assert any(name in MicrophoneArray.preset_names() for name in names)
    assert {name.split("-")[0] for name in names} >= {"circular", "linear", "random"}
    assert all(2 <= world.plan(index).array.n_mics <= 16 for index in range(80))


def test_the_shipped_voices_serve_without_a_folder(quick: WorldConfig) -> None:
    with pytest.warns(SpeechWarning, match=r"1 speaker for scenes of up to 3 talkers .* talks twice"):
        test = World(quick, split="test")
    train = World(replace(quick, n_talkers=(2, 2)), split="train")
    assert set(test.speech.speakers).isdisjoint(train.speech.speakers)
    assert train.scene(0).n_talkers == 2


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"arrays": ("linear:8:0.6",), "room_length": (3, 4), "room_width": (3, 4)},
            GeometryError,
            "does not fit into the largest room",
        ),
        ({"arrays": ("nothing",)}, GeometryError, "nothing"),
        ({"arrays": ()}, RecordingError, "arrays"),
        ({"arrays": ("preset",), "n_mics": (60, 60)}, GeometryError, "no known device"),
        ({"wall_distance": 5.0}, GeometryError, "wall_distance"),
        ({"t60": (0.5, 0.2)}, RecordingError, "t60"),
        ({"t60": (-1, 0.2)}, RecordingError, "t60"),
        ({"moving": 2}, RecordingError, "probability"),
        ({"duration": 0}, RecordingError, "duration"),
        ({"n_talkers": (0, 2)}, RecordingError, "n_talkers"),
        ({"n_talkers": (1.5, 2)}, RecordingError, "n_talkers"),
        ({"room_height": math.nan}, RecordingError, "room_height"),
        ({"distance": (1, math.nan)}, RecordingError, "distance"),
        ({"early": 0.2}, RecordingError, "early"),
        ({"images_at": "both"}, RecordingError, "images_at"),
        ({"sample_rate": 100}, RecordingError, "sample_rate"),
    ],
)
def test_worlds_that_cannot_be_are_refused(change: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        WorldConfig(**change)
    assert message in str(caught.value)


def test_everybody_walks_and_a_noise_stands(speech_folder: Path, quick: WorldConfig) -> None:
    world = World(replace(quick, moving=1, point_noise=1, n_talkers=(2, 2)), speech_folder)
    plan, scene = world.plan(0), world.scene(0)
    assert np.all(np.any(plan.starts != plan.ends, axis=1))
    assert plan.point_place is not None
    torch.testing.assert_close(scene.positions[:, 0], torch.tensor(plan.paths(0.8)[:, 0], dtype=torch.float32))
    assert scene.point_snr_db == plan.point_snr_db
    assert float(scene.images.abs().amax((1, 2)).min()) > 0


def test_a_world_without_a_place_for_its_talkers_says_so(speech_folder: Path) -> None:
    tight = WorldConfig(room_length=(2, 2), room_width=(2, 2), distance=(3, 4), n_talkers=(1, 1))
    with pytest.raises(GeometryError, match="no place for the array"):
        World(tight, speech_folder).scene(0)


def test_a_t60_that_no_room_has_is_refused(speech_folder: Path) -> None:
    with pytest.raises(GeometryError, match="sound lasts at least"):
        World(WorldConfig(t60=(0.01, 0.02), n_talkers=(1, 1)), speech_folder).scene(0)


@pytest.mark.parametrize("seed", [-1, 0.5])
def test_seeds_are_whole_numbers(speech_folder: Path, seed: float) -> None:
    with pytest.raises(RecordingError, match="seed"):
        World(WorldConfig(), speech_folder, seed=seed)  # type: ignore[arg-type]


def test_scenes_that_are_not_there(world: World) -> None:
    with pytest.raises(ShapeError):
        world.scene(-1)
    with pytest.raises(IndexError):
        WorldDataset(world, 2)[2]
    with pytest.raises(ShapeError):
        WorldDataset(world, 0)
    with pytest.raises(ShapeError):
        WorldStream(world, rank=2, n_ranks=2)
    with pytest.raises(ShapeError):
        collate([])


@pytest.mark.parametrize("suffix", [".toml", ".json"])
def test_a_configuration_survives_its_file(tmp_path: Path, suffix: str) -> None:
    config = WorldConfig(t60=(0.2, 0.4), arrays=("respeaker-usb-4", "linear"), separation=math.radians(20), images_at="all")
    config.save(tmp_path / f"world{suffix}")
    assert WorldConfig.load(tmp_path / f"world{suffix}") == config


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("t6 = [0.1, 0.2]", "did you mean 't60'"),
        ("t60 = 0.2", "two numbers"),
        ("t60 = [", "not valid"),
        ("separation_deg = 'wide'", "separation_deg"),
        ("duration = true", "duration"),
    ],
)
def test_files_that_are_wrong_say_what(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "world.toml").write_text(content)
    with pytest.raises(ArraySceneError) as caught:
        WorldConfig.load(tmp_path / "world.toml")
    assert message in str(caught.value)
    assert "world.toml" in str(caught.value)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ArraySceneError, match=r"none\.toml"):
        WorldConfig.load(tmp_path / "none.toml")
    with pytest.raises(ArraySceneError, match="suffix"):
        WorldConfig().save(tmp_path / "world.yaml")

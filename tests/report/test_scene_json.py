"""scene.json: strict, rounded, in degrees, the same every time."""

import json
from dataclasses import replace

import numpy as np
import pytest

from arrayscene.array import MicrophoneArray
from arrayscene.report.json_values import degrees, dumps
from arrayscene.report.scene_json import scene_to_dict


def strict(text):
    def refuse(token):
        raise AssertionError(f"{token} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_holds_what_a_program_needs(make_scene):
    document = strict(dumps(scene_to_dict(make_scene())))
    assert document["format"] == "arrayscene.scene"
    assert document["inputs"] == ["meeting room.wav"]
    assert (document["sample_rate"], document["duration_s"], document["reference_channel"]) == (8000, 3.0, 1)
    assert [source["azimuth_deg"] for source in document["sources"]] == [30.0, -75.0, 150.0]
    assert [source["file"] for source in document["sources"]] == [f"sources/source-{n}.wav" for n in (1, 2, 3)]
    assert document["sources"][1]["active"] == [[0.5, 1.65], [1.75, 3.0]]
    assert document["sources"][0]["distance_m"] is None
    assert np.shape(document["array"]["positions"]) == (4, 3)
    assert document["timings_s"] == {"localise": 0.5, "decode": 1.25}


def test_residual_lies_within_those_of_the_frequencies_that_sound(make_scene):
    scene = make_scene()
    residual = scene_to_dict(scene)["residual_db"]
    assert scene.reliability.residual_db.min() < residual < scene.reliability.residual_db.max()


def test_residual_listens_where_the_energy_is(make_scene):
    scene = make_scene(n_sources=1)
    low = scene.reliability.frequencies < 1000
    trust = replace(scene.reliability, residual_db=np.where(low, -20.0, 0.0))
    assert scene_to_dict(replace(scene, reliability=trust))["residual_db"] == pytest.approx(-20.0, abs=1.0)


def test_spectrum_is_in_third_octaves(make_scene):
    spectrum = scene_to_dict(make_scene())["spectrum"]
    centres = [band["frequency_hz"] for band in spectrum]
    assert 1000.0 in centres
    assert centres == sorted(centres)
    assert len(centres) < 40
    assert all(set(band) == {"frequency_hz", "reliability", "residual_db", "condition", "noise_gain_db"} for band in spectrum)


def test_nothing_known_is_null(make_scene):
    scene = make_scene(n_sources=1)
    blank = np.full_like(scene.reliability.residual_db, np.nan)
    scene = replace(
        scene,
        sources=[replace(scene.sources[0], azimuth=None, elevation=None, level_db=-np.inf, active=np.empty((0, 2)))],
        mixture=np.zeros_like(scene.mixture),
        reliability=replace(
            scene.reliability, reliability=blank, residual_db=blank, condition=np.full_like(blank, np.inf), noise_gain_db=blank
        ),
    )
    document = strict(dumps(scene_to_dict(scene)))
    assert document["residual_db"] is None
    assert document["sources"][0]["azimuth_deg"] is None
    assert document["sources"][0]["level_db"] is None
    assert document["sources"][0]["active"] == []
    assert document["spectrum"][5]["condition"] is None


def test_line_array_names_the_mirrored_azimuth(make_scene):
    document = scene_to_dict(make_scene(array=MicrophoneArray.linear(4, 0.05, axis="y")))
    assert [source["mirror_azimuth_deg"] for source in document["sources"]] == [150.0, -105.0, 30.0]
    assert "mirror_elevation_deg" not in document["sources"][0]


def test_vertical_line_has_no_single_mirror(make_scene):
    document = scene_to_dict(make_scene(array=MicrophoneArray.linear(4, 0.05, axis="z")))
    assert [source["mirror_azimuth_deg"] for source in document["sources"]] == [None] * 3


def test_flat_array_names_the_mirrored_elevation(make_scene):
    for source in scene_to_dict(make_scene())["sources"]:
        assert source["mirror_elevation_deg"] == -source["elevation_deg"]
        assert source["mirror_azimuth_deg"] == source["azimuth_deg"]


def test_solid_array_has_no_mirror(make_scene):
    tetrahedron = MicrophoneArray.from_positions([[0.05, 0, 0], [0, 0.05, 0], [0, 0, 0.05], [0, 0, 0]], name="corner")
    assert "mirror_azimuth_deg" not in scene_to_dict(make_scene(array=tetrahedron))["sources"][0]


def test_no_source_is_a_scene_too(make_scene):
    assert strict(dumps(scene_to_dict(make_scene(n_sources=0))))["sources"] == []


def test_equal_scenes_give_equal_text(make_scene):
    assert dumps(scene_to_dict(make_scene())) == dumps(scene_to_dict(make_scene()))


def test_short_lists_of_numbers_stand_on_one_line_and_words_stay_untouched(make_scene):
    words = ["a [\n 1,\n 2\n] b", "[ 1, 2 ]"]
    text = dumps(scene_to_dict(make_scene(warnings=words)))
    assert "[0.5, 1.65]" in text
    assert json.loads(text)["warnings"] == words


@pytest.mark.parametrize(
    ("given", "wanted"), [(180.0, 180.0), (-180.0, 180.0), (190.0, -170.0), (-179.999, 180.0), (-0.0001, 0.0)]
)
def test_degrees_are_wrapped(given, wanted):
    assert degrees(np.radians(given)) == wanted

"""Settings: every way in refuses what is unknown, out of range or of the wrong type."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.config import ATTRIBUTES, MAX_AGE, AgeGroup, AnalyzeConfig, VideoConfig, parse_age_groups
from mien.errors import ConfigError, InputError

DEFAULT_GROUPS = "0-12,13-25,26-59,60+"


def texts(groups):
    return ",".join(map(str, groups))


# --- age groups -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("13-25", 13, 25), ("60+", 60, 100), (" 0 - 2 ", 0, 2), ("7-7", 7, 7), ("0-100", 0, 100)],
)
def test_a_group_is_read(text, low, high):
    assert AgeGroup.parse(text) == AgeGroup(low, high)


@pytest.mark.parametrize(
    "text", ["", "old", "13", "-5", "13-", "13--25", "1-2-3", "60 +1", "1.5-3"]
)
def test_a_malformed_group_shows_how_one_looks(text):
    with pytest.raises(ConfigError, match=r"looks like '13-25' or '60\+'"):
        AgeGroup.parse(text)


@pytest.mark.parametrize("text", ["25-13", "0-101", "101+", "90-999"])
def test_a_group_outside_the_ages_is_refused(text):
    with pytest.raises(ConfigError, match="must lie within 0-100"):
        AgeGroup.parse(text)


def test_the_open_end_is_written_with_a_plus():
    assert [str(AgeGroup(*ends)) for ends in [(0, 12), (60, MAX_AGE)]] == ["0-12", "60+"]


@given(st.sets(st.integers(1, MAX_AGE)), st.randoms(use_true_random=False))
def test_any_partition_is_read_in_any_order(cuts, random):
    starts = [0, *sorted(cuts)]
    groups = [AgeGroup(low, after - 1) for low, after in itertools.pairwise([*starts, MAX_AGE + 1])]
    shuffled = random.sample(groups, len(groups))
    assert parse_age_groups(texts(shuffled)) == tuple(groups)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0-12,14-25,26+", "leave a gap at 13"),
        ("5-12,13+", "leave a gap at 0"),
        ("0-12,12-25,26+", "overlap at 12"),
        ("0-12,0-12,13+", "overlap at 0"),
        ("60+,0-70", "overlap at 60"),
        ("0-12,13-59", r"must reach 100; write the last one as '13\+'"),
        ("0-12,,13+", "looks like"),
        ("", "looks like"),
    ],
)
def test_groups_must_cover_every_age_once(text, problem):
    with pytest.raises(ConfigError, match=problem):
        parse_age_groups(text)


def test_no_group_at_all_is_refused():
    with pytest.raises(ConfigError, match="at least one age group"):
        AnalyzeConfig(age_groups=())


# --- the constructor --------------------------------------------------------------------------


def test_defaults():
    config = AnalyzeConfig()
    assert config.attributes == ("age", "gender", "emotion") == ATTRIBUTES
    assert texts(config.age_groups) == DEFAULT_GROUPS
    assert (config.detector, config.device, config.faces) == ("yunet", "cpu", "all")
    assert config.emotions is config.min_score is config.min_face_px is None
    assert config.min_sharpness is None


def test_settings_are_frozen_and_comparable():
    config = AnalyzeConfig(threads=2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.threads = 3
    assert config == AnalyzeConfig(threads=2)
    assert hash(config) == hash(AnalyzeConfig(threads=2))
    assert config != AnalyzeConfig(threads=1)


def test_settings_have_names():
    with pytest.raises(TypeError):
        AnalyzeConfig("haar")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"threads": -1}, "threads must be at least 0, got -1"),
        ({"max_pixels": 0}, "max_pixels must be at least 1, got 0"),
        ({"min_face_px": 0}, "min_face_px must be at least 1, got 0"),
        ({"min_sharpness": -0.5}, "min_sharpness must be a number from 0 on, got -0.5"),
        ({"min_sharpness": float("nan")}, "min_sharpness must be a number from 0 on, got nan"),
        ({"min_sharpness": float("inf")}, "min_sharpness must be a number from 0 on, got inf"),
        ({"min_score": -0.1}, "min_score must lie between 0 and 1, got -0.1"),
        ({"min_score": 1.1}, "min_score must lie between 0 and 1, got 1.1"),
        ({"min_score": float("nan")}, "min_score must lie between 0 and 1, got nan"),
        ({"faces": "first"}, "faces must be 'all' or 'largest', got 'first'"),
        (
            {"attributes": ("age", "gendre")},
            "no attribute is called 'gendre'. Did you mean 'gender'?",
        ),
        ({"attributes": ("race",)}, "no attribute is called 'race'"),
        ({"attributes": ()}, "attributes must be named once each"),
        ({"attributes": ("age", "age")}, "attributes must be named once each"),
        ({"emotions": ("fear", "fear")}, "emotions must be named once each"),
        ({"emotions": ("fear",)}, "at least two emotions"),
        ({"emotions": ()}, "at least two emotions"),
        ({"age_groups": (AgeGroup(0, 59),)}, "must reach 100"),
        ({"age_groups": (AgeGroup(0, 59), AgeGroup(61, 100))}, "leave a gap at 60"),
    ],
    ids=str,
)
def test_out_of_range(setting, message):
    with pytest.raises(ConfigError) as caught:
        AnalyzeConfig(**setting)
    assert message in str(caught.value)
    assert isinstance(caught.value, InputError)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "setting",
    [
        {"batch_size": 1},
        {"threads": 0},
        {"max_pixels": 1},
        {"min_face_px": 1},
        {"min_sharpness": 0},
        {"min_score": 0},
        {"min_score": 1.0},
        {"faces": "largest"},
        {"attributes": ("emotion",)},
        {"emotions": ("happiness", "neutral")},
        {"age_groups": (AgeGroup(0, 100),)},
    ],
    ids=str,
)
def test_the_ends_of_every_range_are_allowed(setting):
    config = AnalyzeConfig(**setting)
    assert all(getattr(config, name) == value for name, value in setting.items())


def test_groups_are_put_in_order():
    config = AnalyzeConfig(age_groups=(AgeGroup(60, 100), AgeGroup(0, 59)))
    assert texts(config.age_groups) == "0-59,60+"


# --- from a mapping ---------------------------------------------------------------------------


def test_an_empty_table_means_the_defaults():
    assert AnalyzeConfig.from_mapping({}) == AnalyzeConfig()


def test_lists_become_tuples_and_groups_are_read():
    config = AnalyzeConfig.from_mapping(
        {"attributes": ["age"], "emotions": ["fear", "anger"], "age_groups": "0-17,18+"}
    )
    assert config == AnalyzeConfig(
        attributes=("age",),
        emotions=("fear", "anger"),
        age_groups=(AgeGroup(0, 17), AgeGroup(18, 100)),
    )


@pytest.mark.parametrize(
    "groups", ["18+,0-17", ["0-17", "18+"], (AgeGroup(18, 100), AgeGroup(0, 17))]
)
def test_groups_come_as_text_list_or_groups(groups):
    assert texts(AnalyzeConfig.from_mapping({"age_groups": groups}).age_groups) == "0-17,18+"


def test_numpy_numbers_are_numbers():
    config = AnalyzeConfig.from_mapping({"threads": np.int64(2), "min_score": np.float32(0.5)})
    assert config == AnalyzeConfig(threads=2, min_score=0.5)


def test_an_unknown_key_gets_a_hint():
    with pytest.raises(ConfigError) as caught:
        AnalyzeConfig.from_mapping({"treads": 2})
    assert str(caught.value) == "[analyze] has no setting 'treads'. Did you mean 'threads'?"


def test_an_unknown_key_without_a_neighbour():
    with pytest.raises(ConfigError, match=r"has no setting 'banana'\.$"):
        AnalyzeConfig.from_mapping({"banana": 2})


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("batch_size", "8", "a whole number"),
        ("batch_size", 2.5, "a whole number"),
        ("threads", True, "a whole number"),
        ("min_face_px", 24.5, "a whole number"),
        ("min_sharpness", "8", "a number"),
        ("max_pixels", None, "a whole number"),
        ("min_score", "high", "a number"),
        ("min_score", False, "a number"),
        ("detector", 3, "text"),
        ("model", ["mien-m"], "text"),
        ("device", None, "text"),
        ("faces", ["all"], "text"),
        ("attributes", "age", "a list of text"),
        ("attributes", [["age"]], "a list of text"),
        ("emotions", "anger", "a list of text"),  # five different letters are not five emotions
        ("emotions", [1, 2], "a list of text"),
        ("age_groups", 5, "text or a list of text"),
    ],
)
def test_wrong_types(key, value, wanted):
    with pytest.raises(ConfigError) as caught:
        AnalyzeConfig.from_mapping({key: value})
    assert str(caught.value) == f"[analyze] {key} must be {wanted}, got {value!r}"


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(AnalyzeConfig)])
def test_every_setting_can_come_from_a_mapping(name):
    default = getattr(AnalyzeConfig(), name)
    assert AnalyzeConfig.from_mapping({name: default}) == AnalyzeConfig()


# --- from a file ------------------------------------------------------------------------------


def write(tmp_path, text):
    path = tmp_path / "mien.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_file_is_read(tmp_path):
    path = write(
        tmp_path,
        """
        [other]
        threads = "not ours"
        [analyze]
        detector = "haar"
        threads = 2
        min_score = 0.5
        age_groups = "0-17,18+"
        emotions = ["happiness", "neutral"]
        """,
    )
    assert AnalyzeConfig.from_toml(path) == AnalyzeConfig(
        detector="haar",
        threads=2,
        min_score=0.5,
        age_groups=(AgeGroup(0, 17), AgeGroup(18, 100)),
        emotions=("happiness", "neutral"),
    )


def test_a_file_without_the_table_means_the_defaults(tmp_path):
    assert AnalyzeConfig.from_toml(write(tmp_path, "")) == AnalyzeConfig()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[analyze]\nbatch_siz = 3", "Did you mean 'batch_size'"),
        ("[analyze]\nbatch_size = 0", "batch_size must be at least 1"),
        ("[analyze]\nage_groups = '0-12,14+'", "leave a gap at 13"),
        ("[analyze", "cannot be read as TOML"),
        ("analyze = 3", "'analyze' must be a table"),
    ],
)
def test_a_bad_file_is_one_line_that_names_it(tmp_path, text, problem):
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=problem) as caught:
        AnalyzeConfig.from_toml(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(ConfigError, match=r"missing\.toml: cannot be read"):
        AnalyzeConfig.from_toml(tmp_path / "missing.toml")


def test_a_file_that_is_not_text(tmp_path):
    path = tmp_path / "mien.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        AnalyzeConfig.from_toml(path)


# --- video ------------------------------------------------------------------------------------


def test_video_defaults():
    config = VideoConfig()
    assert (config.every_s, config.start_s, config.end_s, config.max_frames) == (
        None,
        0,
        None,
        None,
    )
    assert (config.detect_every, config.lost_s, config.smoothing_s) == (3, 1.0, 0.4)
    assert (config.skip_broken, config.symmetric) == (False, False)


def test_video_settings_are_frozen_named_and_comparable():
    config = VideoConfig(every_s=0.5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.every_s = 1
    with pytest.raises(TypeError):
        VideoConfig(0.5)
    assert hash(config) == hash(VideoConfig(every_s=0.5))
    assert config != VideoConfig()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"every_s": 0}, "every_s must be more than 0, got 0"),
        ({"every_s": -0.5}, "every_s must be more than 0, got -0.5"),
        ({"start_s": -0.1}, "start_s must be at least 0, got -0.1"),
        ({"end_s": 0}, "end_s must be later than start_s, got 0 and 0.0"),
        ({"start_s": 2, "end_s": 2}, "end_s must be later than start_s, got 2 and 2"),
        ({"start_s": 2, "end_s": 1.5}, "end_s must be later than start_s, got 1.5 and 2"),
        ({"max_frames": 0}, "max_frames must be at least 1, got 0"),
        ({"detect_every": 0}, "detect_every must be at least 1, got 0"),
        ({"lost_s": 0}, "lost_s must be more than 0, got 0"),
        ({"smoothing_s": -1}, "smoothing_s must be at least 0, got -1"),
    ],
    ids=str,
)
def test_video_settings_out_of_range(setting, message):
    with pytest.raises(ConfigError) as caught:
        VideoConfig(**setting)
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["every_s", "start_s", "end_s", "lost_s", "smoothing_s"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_times_are_finite(name, value):
    with pytest.raises(ConfigError) as caught:
        VideoConfig(**{name: value})
    assert str(caught.value) == f"{name} must be a finite number, got {value}"


@pytest.mark.parametrize(
    "setting",
    [
        {"every_s": 1e-3},
        {"start_s": 0, "end_s": 1e-3},
        {"max_frames": 1},
        {"detect_every": 1},
        {"lost_s": 0.01},
        {"smoothing_s": 0},
    ],
    ids=lambda setting: "-".join(setting),
)
def test_the_ends_of_every_video_range_are_allowed(setting):
    config = VideoConfig(**setting)
    assert all(getattr(config, name) == value for name, value in setting.items())


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("every_s", "0.5s", "a number"),
        ("every_s", True, "a number"),
        ("start_s", None, "a number"),
        ("max_frames", 1.5, "a whole number"),
        ("detect_every", True, "a whole number"),
        ("skip_broken", 1, "true or false"),
        ("symmetric", "yes", "true or false"),
        ("symmetric", None, "true or false"),
    ],
)
def test_wrong_types_of_video_settings(key, value, wanted):
    with pytest.raises(ConfigError) as caught:
        VideoConfig.from_mapping({key: value})
    assert str(caught.value) == f"[video] {key} must be {wanted}, got {value!r}"


@pytest.mark.parametrize("field", dataclasses.fields(VideoConfig), ids=lambda field: field.name)
def test_every_video_setting_can_come_from_a_mapping(field):
    assert VideoConfig.from_mapping({field.name: field.default}) == VideoConfig()


def test_one_file_holds_both_tables(tmp_path):
    path = write(
        tmp_path,
        """
        [analyze]
        threads = 2
        [video]
        every_s = 1
        end_s = 2.5
        max_frames = 9
        skip_broken = true
        """,
    )
    assert AnalyzeConfig.from_toml(path) == AnalyzeConfig(threads=2)
    video = VideoConfig(every_s=1.0, end_s=2.5, max_frames=9, skip_broken=True)
    assert VideoConfig.from_toml(path) == video


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[video]\nlost = 3", r"\[video\] has no setting 'lost'. Did you mean 'lost_s'"),
        ("[video]\ndetect_every = 0", "detect_every must be at least 1"),
        ("[video]\nlost_s = inf", "lost_s must be a finite number"),
        ("video = 3", r"'video' must be a table: write \[video\]"),
    ],
)
def test_a_bad_video_table_is_one_line_that_names_the_file(tmp_path, text, problem):
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=problem) as caught:
        VideoConfig.from_toml(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)

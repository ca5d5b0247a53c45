import numpy as np
import pytest

from facekit.errors import FaceError, UsageError
from facekit.evaluation.measure import check_report_encoder, measure_character, share_right
from facekit.evaluation.scores import FIGURES, Reference
from facekit.generation.shots import expected_attributes
from tests.tiny.drawn_takes import draw_set


@pytest.fixture(scope="module")
def drawn():
    return draw_set(count=4, num_frames=5)


@pytest.fixture(scope="module")
def strange():
    return draw_set(count=4, num_frames=5, stranger_at=2)


def measured(of, **options):
    return measure_character("mira", of.takes, of.reference, base_takes=of.base, **options)


def test_every_figure_has_its_key(drawn):
    assert set(measured(drawn).figures) == set(FIGURES)


def test_the_drawn_character_is_alike_and_another_one_is_not(drawn):
    own = measured(drawn)
    other = measure_character("nobody", drawn.base, drawn.reference)

    assert own.figures["likeness_ratio"] > 0.7
    assert other.figures["likeness_ratio"] < own.figures["likeness_ratio"] - 0.3


def test_one_stranger_is_seen_in_the_ungated_figures_and_leaves_the_gated_ones(drawn, strange):
    clean, spoiled = measured(drawn).figures, measured(strange).figures

    assert spoiled["xmin_ungated"] < clean["xmin_ungated"]
    assert spoiled["shots_counted"] == 0.75
    assert spoiled["xmin"] > spoiled["xmin_ungated"]


def test_the_truth_gives_what_xmin_could_be(drawn):
    figures = measured(drawn, truth_takes=drawn.takes).figures

    assert figures["xmin_truth"] == figures["xmin_ungated"]
    assert figures["xmin_ratio"] == pytest.approx(1.0)
    assert measured(drawn).figures["xmin_ratio"] is None


def test_a_stranger_lowers_the_ratio_to_the_truth(drawn, strange):
    """Strangers left the gated side, so losing the person raised the ratio above 1."""
    figures = measured(strange, truth_takes=drawn.takes).figures

    assert figures["xmin"] > figures["xmin_truth"] * 0.9
    assert figures["xmin_ratio"] == figures["xmin_ungated"] / figures["xmin_truth"]
    assert figures["xmin_ratio"] < 0.75


def test_the_ratio_is_over_shots_that_both_sides_have(drawn, strange):
    truth = [*drawn.takes[:2], None, drawn.takes[3]]
    figures = measured(strange, truth_takes=truth).figures

    assert figures["xmin_ratio"] == pytest.approx(1.0)
    assert (
        measured(drawn, truth_takes=[drawn.takes[0], None, None, None]).figures["xmin_ratio"]
        is None
    )


def test_copying_is_told_beyond_what_the_truth_copies(drawn):
    """The nearest of several photos is always nearer than an unseen one, for the truth too."""
    own = measured(drawn, truth_takes=drawn.takes).figures
    half = measured(drawn, truth_takes=[*drawn.takes[:2], None, None]).figures
    other = measure_character("x", drawn.base, drawn.reference, truth_takes=drawn.takes).figures

    assert own["m_cp_over_truth"] == half["m_cp_over_truth"] == 0.0
    assert own["m_cp_truth"] == own["m_cp"]
    assert other["m_cp_over_truth"] == pytest.approx(other["m_cp"] - other["m_cp_truth"])
    assert measured(drawn).figures["m_cp_over_truth"] is None


def test_adherence_is_compared_with_the_base_on_the_same_prompts(drawn):
    own = {id(take.clip) for take in drawn.takes}

    def probe(clip, asked):
        return {name: id(clip) in own or name == "place" for name in asked}

    scores = measured(
        drawn, probe=probe, expected=[expected_attributes(t.shot.prompt) for t in drawn.takes]
    )

    assert scores.adherence["mood"] == 1.0
    assert scores.base_adherence == {
        "place": 1.0,
        "shot_size": 0.0,
        "mood": 0.0,
        "action": 0.0,
        "light": 0.0,
    }
    assert scores.figures["prompt_delta"] == pytest.approx(0.8)
    assert scores.figures["prompt_drop"] == pytest.approx(-0.8)


def test_without_a_base_nothing_is_claimed_about_motion_or_locality(drawn):
    figures = measure_character("mira", drawn.takes, drawn.reference).figures

    names = ("motion_ratio", "off_face_change", "prompt_delta", "xmin_ratio")
    assert {figures[name] for name in names} == {None}


def test_motion_of_the_base_itself_is_one(drawn):
    figures = measure_character("base", drawn.base, drawn.reference, base_takes=drawn.base).figures

    assert figures["motion_ratio"] == pytest.approx(1.0)
    assert figures["off_face_change"] == figures["on_face_change"] == 0.0
    assert figures["jitter"] == figures["base_jitter"] > 0.0


def test_a_missing_base_clip_leaves_the_other_pairs(drawn):
    """Prompts are compared over the same shots: those that have a base clip."""

    def probe(clip, asked):
        return dict.fromkeys(asked, clip is not drawn.takes[0].clip)

    figures = measure_character(
        "mira",
        drawn.takes,
        drawn.reference,
        base_takes=[None, *drawn.base[1:]],
        probe=probe,
        expected=[expected_attributes(t.shot.prompt) for t in drawn.takes],
    ).figures

    assert figures["motion_ratio"] is not None
    assert figures["off_face_change"] is not None
    assert figures["prompt_adherence"] == pytest.approx(0.75)
    assert figures["prompt_delta"] == figures["prompt_drop"] == 0.0


def test_a_reference_needs_a_held_out_photo_and_two_in_all():
    row = np.eye(3, dtype=np.float32)[:1]
    nothing = np.zeros((0, 3), np.float32)

    with pytest.raises(FaceError, match="0 held-out and 1 training photos"):
        Reference(held_out_HD=nothing, enrolled_ED=row)
    with pytest.raises(FaceError, match="1 held-out and 0 training photos"):
        Reference(held_out_HD=row, enrolled_ED=nothing)


def test_held_out_photos_alone_give_the_ceiling_but_no_copying(drawn):
    held_out = np.concatenate([drawn.reference.held_out_HD, drawn.reference.enrolled_ED])
    alone = Reference(held_out_HD=held_out, enrolled_ED=held_out[:0])

    scores = measure_character("mira", drawn.takes, alone)

    assert 0.3 < scores.ceiling < 1.0
    assert scores.figures["m_cp"] is None


def test_the_encoder_that_trained_never_reports():
    with pytest.raises(UsageError, match="which also trained the character"):
        check_report_encoder("toon-a@0123", "toon-a@0123")
    with pytest.raises(UsageError, match="set encoder"):
        check_report_encoder("toon-a@0123", "toon-a")
    check_report_encoder("toon-a@0123", "toon-b@0123")


def test_nothing_to_measure_is_an_error(drawn):
    with pytest.raises(UsageError, match="mira: no clips to measure"):
        measure_character("mira", [], drawn.reference)


def test_shares_count_only_rows_that_name_the_attribute():
    assert share_right([{"place": True}, {"mood": False}, {"place": False}]) == {
        "place": 0.5,
        "mood": 0.0,
    }

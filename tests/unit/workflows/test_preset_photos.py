"""Photos of a preset without templates are known by their salted hashes."""

import shutil

import pytest

from facekit.errors import UsageError
from facekit.workflows.photos import find_photos
from facekit.workflows.preset_files import load_any, preset_adapter
from facekit.workflows.preset_photos import photos_by_hash
from facekit.workflows.preset_strip import plan_strip, run_strip
from facekit.workflows.render_judge import parse_photos, plan_judge
from tests.tiny.faces import draw_photo
from tests.tiny.photos import write


@pytest.fixture
def bare(as_anna):
    """The preset without its templates."""
    return run_strip(plan_strip(as_anna.path)).plan.out


def test_photos_that_are_named_judge_in_their_roles(trained, bare, tmp_path):
    moved = shutil.copytree(trained.photos, tmp_path / "moved")
    write(moved / "new.png", draw_photo(seed=91))
    named = parse_photos([f"mira={moved}"], ["mira"])
    plan = plan_judge({"mira": preset_adapter(bare)}, photos=named, must_find=named)
    own = plan_judge({"mira": trained.adapter})
    assert (plan.warnings, plan.digest) == ((), own.digest)
    assert [path.name for path in plan.photos["mira"]] == [p.name for p in own.photos["mira"]]
    assert len(plan.enrolled["mira"]) == 5


def test_what_trained_never_judges(trained, bare, tmp_path):
    character = load_any(bare)
    (judge,) = find_photos(character, [trained.photos]).held_out
    rest = shutil.copytree(trained.photos, tmp_path / "rest")
    (rest / judge.name).unlink()
    with pytest.raises(UsageError, match="5 photos that trained mira and none that training held"):
        find_photos(character, [rest])


def test_other_photos_judge_and_a_warning_tells_it(bare, tmp_path):
    (tmp_path / "new").mkdir()
    write(tmp_path / "new" / "a.png", draw_photo(seed=91))
    named = parse_photos([f"mira={tmp_path / 'new'}"], ["mira"])
    plan = plan_judge({"mira": preset_adapter(bare)}, photos=named, must_find=named)
    assert len(plan.photos["mira"]) == 1
    assert "mira: judged by 1 photos of which its file knows none" in plan.warnings[0]


def test_who_is_of_no_preset_has_no_hashes(trained):
    assert photos_by_hash(load_any(trained.adapter), [trained.photos]) is None

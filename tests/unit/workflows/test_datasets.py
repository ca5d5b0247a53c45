import json
import shutil
import zipfile
from pathlib import Path

import pytest

from facekit.curation import folder as dataset_folder
from facekit.curation.manifest import DatasetManifest
from facekit.errors import CheckpointMismatch, MediaError, OutputExists, PhotosRefused, UsageError
from facekit.faces.parse import EllipseParser
from facekit.media.cache import cache_dir
from facekit.media.images import read_image
from facekit.recipe import Recipe, load_recipe
from facekit.workflows import datasets
from facekit.workflows.check import CheckReport, plan_check, run_check
from facekit.workflows.datasets import open_dataset
from tests.tiny.faces import DiscFaces, draw_photo
from tests.tiny.photos import bad_photos, good_photos, write
from tests.unit.curation.test_memory import Counting, Other


def recipe(*overrides: str) -> Recipe:
    return load_recipe("toon/train", ["photos.min_sharpness=0.2", *overrides])


def check(photos: Path, out: Path, faces=None, *overrides: str) -> CheckReport:
    plan = plan_check([photos], recipe=recipe(*overrides), name="mira", out=out)
    return run_check(plan, faces=faces or DiscFaces())


def files_of(folder: Path) -> dict[str, int]:
    """Every file with the time of its last change."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    good_photos(folder)
    (folder / "good_1.txt").write_text("@mira in the park, with blue eyes")
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "checked" / "mira"


def manifest_of(folder: Path) -> DatasetManifest:
    return DatasetManifest.model_validate_json((folder / "dataset.json").read_text())


def test_a_dataset_holds_everything_and_the_originals_stay(photos: Path, out: Path):
    bad_photos(photos)
    before = {path: path.read_bytes() for path in photos.iterdir()}
    report = check(photos, out)
    assert report.dataset == out
    assert f"next: facekit train {out} --as mira" in report.describe()
    assert f"report: {out}/report.html" in report.describe()
    assert "masks are a geometric estimate" in report.describe()
    assert {path: path.read_bytes() for path in photos.iterdir()} == before
    manifest = manifest_of(out)
    assert manifest.accepted
    assert manifest.folder == str(photos)
    assert (manifest.encoder.name, manifest.encoder.digest) == ("discs", DiscFaces.digest)
    assert [photo.name for photo in manifest.photos] == [
        Path(verdict.source).name for verdict in report.verdicts
    ]
    by_name = {photo.name: photo for photo in manifest.photos}
    for photo in manifest.photos:
        codes = {finding.code for finding in photo.findings}
        assert (photo.thumbnail is None) == bool(codes & {"unreadable", "video"})
        assert (photo.crop is None) == (photo.face is None) == (photo.mask is None)
        for name in (photo.crop, photo.mask, photo.thumbnail):
            assert name is None or (out / name).is_file()
    good = by_name["good_0.png"]
    assert read_image(out / good.crop).shape == (32, 32, 3)
    mask = read_image(out / good.mask)
    assert mask.shape[:2] == good.size_px
    left, top, right, bottom = good.face.box_xyxy_px
    assert mask[int((top + bottom) / 2), int((left + right) / 2), 0] == 255
    assert mask[0, 0, 0] == 0
    caption = by_name["good_1.png"].caption
    assert caption.origin == "sidecar"
    assert caption.text == "{trigger} in the park"
    assert caption.face_words == ("eyes",)
    assert by_name["good_0.png"].caption.text.endswith(" of {trigger}")
    assert by_name["dark.png"].caption is None
    assert "good_1.txt speaks of the face (eyes)" in report.describe()
    content = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert content["dataset"] == str(out)
    assert content["captions"]["num_texts"] == 1


def test_running_again_changes_nothing_and_asks_nobody(photos: Path, out: Path):
    bad_photos(photos)
    faces = Counting()
    check(photos, out, faces)
    asked, before = faces.asked, files_of(out)
    text = (out / "dataset.json").read_text()
    check(photos, out, faces)
    assert faces.asked == asked
    after = files_of(out)
    before.pop("report.html")
    after.pop("report.html")
    assert after == before
    assert (out / "dataset.json").read_text() == text


def test_only_what_changed_is_made_and_what_is_gone_disappears(
    photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
):
    faces = Counting()
    check(photos, out, faces)
    asked, before = faces.asked, files_of(out)
    parsed = []

    class Parser(EllipseParser):
        def parse(self, image, face):
            parsed.append(face)
            return super().parse(image, face)

    monkeypatch.setattr(datasets, "load_parser", lambda _: Parser("none"))
    gone = {p.name: p for p in manifest_of(out).photos}["good_2.png"]
    (photos / "good_2.png").unlink()
    write(photos / "new.png", draw_photo(seed=77, diameter_px=50, turn=-0.4))
    check(photos, out, faces)
    assert (faces.pictures - asked[0], faces.crops - asked[1]) == (1, 1)
    assert len(parsed) == 1
    after = files_of(out)
    assert {gone.crop, gone.mask, gone.thumbnail} <= before.keys() - after.keys()
    assert len([name for name in after.keys() - before.keys() if "embeddings" not in name]) == 3
    kept = [name for name in before.keys() & after.keys() if "/" in name]
    assert len(kept) == 15
    assert all(after[name] == before[name] for name in kept)
    assert "good_2.png" not in (out / "dataset.json").read_text()


def test_another_encoder_makes_its_crops_and_keeps_masks_and_thumbnails(photos: Path, out: Path):
    check(photos, out)
    before = files_of(out)
    check(photos, out, Other())
    after = files_of(out)
    same = {name for name in before if after.get(name) == before[name]}
    assert {name.split("/")[0] for name in same} == {"masks", "thumbnails"}
    assert len(same) == 12
    assert len([name for name in after if name.startswith("crops/")]) == 6


def test_another_threshold_changes_verdicts_alone(photos: Path, out: Path):
    faces = Counting()
    check(photos, out, faces)
    asked, before = faces.asked, files_of(out)
    report = check(photos, out, faces, "photos.min_face_px=45")
    assert faces.asked == asked
    after = files_of(out)
    differ = {name for name in before if after.get(name) != before[name]}
    assert differ == {"dataset.json", "report.html"}
    assert not report.accepted
    assert not manifest_of(out).accepted


def test_a_kill_in_the_middle_leaves_the_earlier_dataset_whole(
    photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
):
    check(photos, out)
    (photos / "good_2.png").unlink()
    write(photos / "new.png", draw_photo(seed=77, diameter_px=50, turn=-0.4))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(dataset_folder, "write_vectors", killed)
    with pytest.raises(KeyboardInterrupt):
        check(photos, out)
    manifest = manifest_of(out)
    assert "good_2.png" in {photo.name for photo in manifest.photos}
    for photo in manifest.photos:
        for name in (photo.crop, photo.mask, photo.thumbnail, manifest.embeddings):
            assert (out / name).is_file()


def test_something_else_is_never_written_over(photos: Path, tmp_path: Path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").touch()
    with pytest.raises(OutputExists, match="something else than a dataset"):
        plan_check([photos], recipe=recipe(), out=tmp_path / "other")
    with pytest.raises(OutputExists):
        plan_check([photos], recipe=recipe(), out=photos / "good_0.png")


def test_a_dataset_among_the_photos_is_passed_over(photos: Path):
    check(photos, photos / "checked")
    assert len(check(photos, photos / "checked").verdicts) == 6
    with pytest.raises(UsageError, match="a dataset, which is checked already"):
        plan_check([photos / "checked"], recipe=recipe())


def test_a_dataset_gives_the_same_photos_without_looking(photos: Path, out: Path):
    bad_photos(photos)
    report = check(photos, out)
    dataset = open_dataset([out], recipe())
    faces = Counting()
    given, expected = dataset.photos(faces), report.require()
    assert faces.asked == (0, 0)
    assert given.digest == expected.digest
    assert given.encoder == expected.encoder
    assert given.views == expected.views
    assert len(given.views) == 4
    for first, second in zip(given.photos, expected.photos, strict=True):
        assert Path(first.source).resolve() == Path(second.source).resolve()
        assert first.embedding.tobytes() == second.embedding.tobytes()
        assert (first.crop.pixels == second.crop.pixels).all()
        assert (first.face.landmarks_px == second.face.landmarks_px).all()
        assert (first.quality, first.sidecar) == (second.quality, second.sidecar)
    assert [line.partition(": ")[2] for line in dataset.set_aside] == [
        line.partition(": ")[2] for line in report.inspection.set_aside
    ]


def test_photos_in_an_archive_are_found_again(photos: Path, out: Path, tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        for path in photos.iterdir():
            archive.write(path, f"of her/{path.name}")
    report = check(tmp_path / "p.zip", out)
    shutil.rmtree(cache_dir())
    dataset = open_dataset([out], recipe())
    assert dataset.photos(DiscFaces()).digest == report.require().digest


def test_a_dataset_of_other_rules_is_refused_by_name(photos: Path, out: Path):
    check(photos, out)
    with pytest.raises(CheckpointMismatch, match=r"photos\.holdout 2, expected photos\.holdout 1"):
        open_dataset([out], recipe("photos.holdout=1"))
    with pytest.raises(CheckpointMismatch, match=r"encoder\.train toon-a, expected .* opencv"):
        open_dataset([out], recipe("encoder.train=opencv"))
    with pytest.raises(CheckpointMismatch, match="embeddings of discs@"):
        open_dataset([out], recipe()).photos(Other())


def test_more_best_views_than_were_chosen_need_another_check(photos: Path, out: Path):
    check(photos, out, None, "identity.max_photos=2")
    assert len(manifest_of(out).views) == 2
    few = ("identity.max_photos=2", "identity.pool=concat")
    with pytest.raises(CheckpointMismatch, match=r"identity\.max_photos 2, expected .* 4 or more"):
        open_dataset([out], recipe("identity.pool=concat"))
    for enough in (few, ("identity.max_photos=1", "identity.pool=concat"), ()):
        dataset = open_dataset([out], recipe(*enough))
        assert dataset is not None
    given = open_dataset([out], recipe(*few)).photos(DiscFaces())
    assert len(given.views) == 2


def test_what_changed_since_is_told(photos: Path, out: Path):
    check(photos, out)
    write(photos / "good_0.png", draw_photo(seed=50))
    with pytest.raises(MediaError, match="not the picture that was checked"):
        open_dataset([out], recipe()).photos(DiscFaces())
    (photos / "good_0.png").unlink()
    with pytest.raises(MediaError, match="no such file, expected a photo of the dataset"):
        open_dataset([out], recipe()).photos(DiscFaces())
    shutil.rmtree(out / "embeddings")
    with pytest.raises(MediaError, match="embeddings missing or damaged"):
        open_dataset([out], recipe()).photos(DiscFaces())
    with pytest.raises(UsageError, match="a dataset among other photos"):
        open_dataset([out, photos], recipe())


@pytest.mark.parametrize("content", ['"facekit.dataset/', '{"schema_name":"facekit.dataset/9"}'])
def test_a_damaged_manifest_or_another_version_is_told(photos: Path, out: Path, content: str):
    check(photos, out)
    (out / "dataset.json").write_text(content)
    with pytest.raises(MediaError, match=r"dataset\.json: .*; run facekit check again with --out"):
        open_dataset([out], recipe())
    assert check(photos, out).accepted
    assert open_dataset([out], recipe()) is not None


def test_a_set_that_will_not_do_has_a_dataset_that_train_refuses(photos: Path, out: Path):
    bad = bad_photos(photos)
    for index in range(1, 5):
        (photos / f"good_{index}.png").unlink()
    report = check(photos, out)
    assert report.exit_code == 3
    assert (out / "report.html").is_file()
    with pytest.raises(PhotosRefused) as refused:
        open_dataset([out], recipe())
    for name in bad:
        assert f"{name}: " in str(refused.value)


def test_photos_are_no_dataset(photos: Path):
    assert open_dataset([photos], recipe()) is None
    (photos / "dataset.json").write_text('{"of": "somebody else"}')
    assert open_dataset([photos], recipe()) is None


def test_a_first_run_that_was_broken_off_is_taken_up(
    photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
):
    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(dataset_folder, "write_vectors", stop)
        with pytest.raises(KeyboardInterrupt):
            check(photos, out)
    assert any(out.rglob("*.png"))
    # Its crops and masks were taken for photos.
    with pytest.raises(MediaError, match="broken off before it was whole, expected dataset"):
        open_dataset([out], recipe())
    with pytest.raises(UsageError, match="a dataset, which is checked already"):
        plan_check([out], recipe=recipe())
    assert check(photos, out).dataset == out
    assert not (out / ".unfinished").exists()

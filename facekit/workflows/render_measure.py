"""Who is in a take of a board, written beside it."""

from collections.abc import Mapping

import torch

from facekit.backbones.spec import BackboneSpec
from facekit.faces.protocols import FaceVendor
from facekit.generation.regions import make_masks, parse_region, region_between
from facekit.generation.units import take_name
from facekit.media.video import read_clip
from facekit.types import FloatArray
from facekit.workflows.render_files import IDENTITY_SUFFIX, read_json, write_json
from facekit.workflows.render_jobs import TakeJob
from facekit.workflows.render_judge import Judge, JudgePlan, middles
from facekit.workflows.render_takes import shot_of, shown_frames

__all__ = ["TakeMeasurer"]


class TakeMeasurer:
    """Looks at takes with the reporting encoder, which is loaded when the first is looked at.

    Args:
        plan: By what takes are judged; without photos nobody is compared.
        spec: The backbone that draws them.
        device: Of the encoder.
        faces: The reporting encoder, when it is loaded already.
    """

    def __init__(
        self,
        plan: JudgePlan,
        spec: BackboneSpec,
        device: torch.device,
        faces: FaceVendor | None = None,
    ) -> None:
        self._plan, self._spec, self._device, self._faces = plan, spec, device, faces
        self._judge: Judge | None = None
        self._digest = plan.digest

    def load(self) -> Judge | None:
        """The judge with the photos of the cast; None where there are no photos.

        Raises:
            WeightsError: The encoder's weights are missing.
            FaceError: A photo without a face.
        """
        if self._judge is None and self._plan.photos:
            self._judge = Judge(self._plan, self._device, self._faces)
        return self._judge

    def measure(self, job: TakeJob) -> None:
        """Write who is in a take, unless that is there, measured in this very way.

        Raises:
            MediaError: The take cannot be read.
            OutputError: It cannot be written.
        """
        path = job.takes_dir / f"{take_name(job.number)}{IDENTITY_SUFFIX}"
        there = read_json(path) or {}
        known = (there.get("fingerprint"), there.get("judge"))
        if known == (job.fingerprint, self._digest):
            return
        content: dict[str, object] = {
            "fingerprint": job.fingerprint,
            "judge": self._digest,
            "figures": None,
        }
        clip_path = job.takes_dir / f"{take_name(job.number)}.mp4"
        record = read_json(clip_path.with_suffix(".json")) or {}
        judge = self.load()
        if judge is not None and "void" not in record and clip_path.is_file():
            whole = read_clip(clip_path)
            clip, first = shown_frames(whole, job.shot)
            masks = self._masks(job, record, whole.num_frames, clip.num_frames)
            report, figures = judge.measure(clip, job.shot, masks, job.shot.start_frame - first)
            content = {**report.to_json(), **content, "figures": figures.to_json()}
            content["floor"] = round(judge.floor, 4)
            content["ceilings"] = {name: round(value, 4) for name, value in judge.ceilings.items()}
            present = [person.id for person in job.shot.characters]
            content["missing"] = [name for name in present if name in report.missing]
            for key in ("verdict", "reasons"):
                content.pop(key, None)  # the gates of the shot say that
            write_json(
                path.with_name(f"{take_name(job.number)}.faces.json"),
                {"encoder": judge.encoder, "faces": middles(report, present)},
            )
        if "void" in record:
            content["void"] = record["void"]
        write_json(path, content)

    def _masks(
        self, job: TakeJob, record: Mapping[str, object], num_drawn: int, num_shown: int
    ) -> dict[str, FloatArray]:
        """Where everybody should be in the frames that are shown."""
        told = record.get("regions")
        if not isinstance(told, Mapping) or len(told) < 2:
            return {}
        first = job.shot.frames.source_frames()[0]
        regions = {
            str(name): region_between(parse_region(str(text)), num_drawn, first, num_shown)
            for name, text in told.items()
        }
        masks = make_masks(regions, shot_of(job, num_shown), self._spec, check=False)
        return {name: mask.numpy() for name, mask in masks.items()}

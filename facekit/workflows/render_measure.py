"""Who is in a take of a board, written beside it."""

from collections.abc import Mapping

import torch

from facekit.backbones.spec import BackboneSpec
from facekit.faces.protocols import FaceVendor
from facekit.generation.regions import make_masks, parse_region
from facekit.generation.units import take_name
from facekit.media.video import read_clip
from facekit.types import Clip, FloatArray
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
            clip, first = shown_frames(read_clip(clip_path), job.shot)
            report, figures = judge.measure(
                clip, job.shot, self._masks(job, record, clip), job.shot.start_frame - first
            )
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
        self, job: TakeJob, record: Mapping[str, object], clip: Clip
    ) -> dict[str, FloatArray]:
        told = record.get("regions")
        if not isinstance(told, Mapping) or len(told) < 2:
            return {}
        regions = {str(name): parse_region(str(text)) for name, text in told.items()}
        masks = make_masks(regions, shot_of(job, clip.num_frames), self._spec, check=False)
        return {name: mask.numpy() for name, mask in masks.items()}

"""Prompts and a character in, takes on disk out."""

import dataclasses
import itertools
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import facekit
from facekit.adapters.conditioning import Strength, is_zero
from facekit.backbones.spec import BackboneSpec
from facekit.errors import GateFailed
from facekit.evaluation.metrics import demands_face
from facekit.faces.protocols import FaceDetector, FaceVendor
from facekit.faces.vendors import load_faces
from facekit.generation.sample import SampleSettings
from facekit.media.files import ensure_out_dir
from facekit.types import Progress, Shot
from facekit.workflows.backbone import load_backbone
from facekit.workflows.cast_sampling import sample_cast
from facekit.workflows.casting import ShotCast, character_digest
from facekit.workflows.characters import call_character
from facekit.workflows.frame_likeness import Likeness, make_cast_likeness, make_likeness
from facekit.workflows.long_shots import shoot_long
from facekit.workflows.shoot_facts import ShootPlan
from facekit.workflows.shoot_plan import plan_shoot
from facekit.workflows.start_rights import check_again
from facekit.workflows.take_identity import identify_takes, plan_identities
from facekit.workflows.takes import BASE_DIR, REPORT_DIR, write_take
from facekit.workflows.use_ledger import UseLedger, open_ledger

__all__ = ["ShootPlan", "ShootResult", "plan_shoot", "run_shoot", "shoot_takes"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ShootResult:
    """The takes, those that were there already as well."""

    clips: tuple[Path, ...]
    called: str
    """What to say after ``--with``; empty where several characters are in the shots."""
    stopped: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Takes that are shorter than what was asked for, by name, and why."""
    identities: tuple[Path, ...] = ()
    """Who is in the takes, one file per take where that was asked for."""
    unnoted: str = ""
    """Why the takes are not in the ledger of use; only where nobody is depicted."""

    @property
    def exit_code(self) -> int:
        """5 where a take is shorter than what was asked for."""
        return GateFailed.exit_code if self.stopped else 0

    def describe(self) -> str:
        """Write the path of every clip, what ended early and, for one character, the next step."""
        short = [f"stopped: {name} {reason}" for name, reason in self.stopped.items()]
        if self.unnoted:
            short.append(f"not in the ledger of use: {self.unnoted}")
        if not self.called:
            return "\n".join([*map(str, self.clips), *short])
        folder = self.clips[0].parent
        if folder.name == BASE_DIR:
            folder = folder.parent  # base clips are what the takes beside are compared with
        step = f"facekit eval {shlex.quote(str(folder))} --with {self.called}"
        if any((folder / REPORT_DIR).glob("report.*")):
            step += " --force"  # the report there is one of older takes
        return "\n".join([*map(str, self.clips), *short, f"next: {step}"])

    def to_json(self) -> Mapping[str, object]:
        """Return the paths, and what is shorter than it should be."""
        told = {"identities": [str(path) for path in self.identities]} if self.identities else {}
        clips = [str(path) for path in self.clips]
        return {"clips": clips, "stopped": dict(self.stopped), **told}


def run_shoot(
    plan: ShootPlan,
    progress: Progress,
    *,
    pipe: Any = None,
    faces: FaceDetector | None = None,
    identify: bool = False,
    judging: FaceVendor | None = None,
) -> ShootResult:
    """Shoot every take that is not there yet, and write each as soon as it is done.

    Args:
        plan: What to shoot.
        progress: Told of every denoising step.
        pipe: The backbone's pipeline, when it is loaded already; it stays on its device.
        faces: Finds faces where regions are looked for; the recipe's train vendor when None.
        identify: Whether to write who is in each take beside it, by the reporting encoder.
        judging: The reporting encoder, when it is loaded already.

    Raises:
        UsageError: It is to be told who is in the takes, and photos of somebody are not at hand.
        WeightsMissing: The backbone is not installed.
        AdapterMismatch: A character was made for other weights.
        AdapterError: A character's LoRA cannot be kept to a region of this backbone.
        NoFaceFound: Regions are looked for, and fewer figures are there than characters.
        OutputError: The folder or the ledger cannot be written, or the disk is full.
        LedgerDamaged: The ledger does not hold, and a person is in the shots.
        FaceError: A clip that is to be longer ends with somebody else's face.
    """
    left = [index for index, done in enumerate(plan.done) if not done]
    judge = plan_identities(plan.characters) if identify else None
    stopped: Mapping[str, str] = {}
    casts = [plan.casts[index] for index in left]
    if faces is None and not is_zero(plan.strength) and any(cast.is_auto for cast in casts):
        faces = load_faces(plan.recipe.encoder.train).to(plan.device)
    ledger = open_ledger(plan.rights, plan.all_permits)
    for index, done in enumerate(plan.done):
        if done:  # a kill may have come before its line
            _note(plan, index, ledger)
    if left and plan.is_long:
        stopped = _shoot_long(plan, left, pipe, progress, ledger, faces)
    elif left:
        ensure_out_dir(plan.out_dir)
        shoot_takes(
            pipe if pipe is not None else load_backbone(plan.recipe, plan.device).pipe,
            plan.spec,
            [plan.shots[index] for index in left],
            [plan.prompts[index] for index in left],
            [plan.fingerprints[index] for index in left],
            plan.settings,
            plan.out_dir,
            progress,
            casts=casts,
            strength=plan.strength,
            faces=faces,
            consents=_consents(plan),
            delivered=lambda place: _note(plan, left[place], ledger),
        )
    alone = plan.characters[0] if len(plan.characters) == 1 else None
    clips = tuple(plan.out_dir / f"{shot.name}.mp4" for shot in plan.shots)
    return ShootResult(
        clips=clips,
        called=call_character(alone.source) if alone else "",
        stopped=stopped,
        identities=identify_takes(clips, judge, plan.device, judging) if judge else (),
        unnoted=ledger.closed,
    )


def _note(plan: ShootPlan, index: int, ledger: UseLedger) -> None:
    """Write a take into the ledger of use, and look whether more may be made.

    Raises:
        ConsentRefused: What was allowed when the work began was taken back meanwhile.
    """
    there = {one.source for one in plan.casts[index].characters}
    permits = [one for one in plan.permits if one.source in there]
    clip = plan.out_dir / f"{plan.shots[index].name}.mp4"
    ledger.take(clip, [*permits, *plan.start_permits], job=plan.fingerprints[index])
    if index < len(plan.shots) - 1:
        check_again(plan.all_permits, plan.rights)


def _consents(plan: ShootPlan) -> dict[str, str]:
    """The consent that each character is used under, by its file."""
    return {one.source: one.consent for one in plan.permits if one.consent}


def _shoot_long(
    plan: ShootPlan,
    left: Sequence[int],
    pipe: Any,
    progress: Progress,
    ledger: UseLedger,
    faces: FaceDetector | None,
) -> Mapping[str, str]:
    """Shoot takes of several chunks; return those that ended early, and why."""
    ensure_out_dir(plan.out_dir)
    pipe = pipe if pipe is not None else load_backbone(plan.recipe, plan.device).pipe
    # A shot that ends with a given picture is drawn at once, so that nothing is handed on.
    is_judged = not is_zero(plan.strength) and plan.start.last is None
    judges: dict[tuple[object, ...], Likeness | None] = {}
    stopped = {}
    for index in left:
        cast, shot = plan.casts[index], plan.shots[index]
        who = (demands_face(shot.kind), *(one.source for one in cast.characters))
        if is_judged and who not in judges:
            judges[who] = _likeness(cast, shot, plan)
        record = {
            **_record(plan.spec, plan.settings, cast, plan.strength, _consents(plan)),
            "resolved_prompt": plan.prompts[index],
            "fingerprint": plan.fingerprints[index],
            "starts_from": plan.start.source or None,
        }
        taken = shoot_long(pipe, plan, index, record, progress, judges.get(who), faces)
        _note(plan, index, ledger)
        if taken.stopped:
            stopped[shot.name] = taken.stopped
    return stopped


def _likeness(cast: ShotCast, shot: Shot, plan: ShootPlan) -> Likeness | None:
    """Who looks at the frames that are handed on."""
    if len(cast.characters) == 1:
        return make_likeness(cast.characters[0], plan.device)
    needed = [demands_face(shot.kind)] * len(cast.characters)
    return make_cast_likeness(cast.characters, needed, plan.device)


def shoot_takes(
    pipe: Any,
    spec: BackboneSpec,
    shots: Sequence[Shot],
    prompts: Sequence[str],
    fingerprints: Sequence[str],
    settings: SampleSettings,
    out_dir: Path,
    progress: Progress,
    *,
    casts: Sequence[ShotCast | None] = (),
    strength: Strength = 1.0,
    faces: FaceDetector | None = None,
    consents: Mapping[str, str] | None = None,
    label: str = "shots",
    delivered: Callable[[int], None] | None = None,
) -> tuple[Path, ...]:
    """Shoot and write takes, with characters or, without any, of the bare backbone.

    Prompts, as the backbone reads them, fingerprints and casts come in the order of the shots;
    nobody is in them without casts. Progress is told under the label, and `faces` finds the
    regions that are looked for. `consents` are those that each character is used under, by its
    file: the takes name them. `delivered` is told the place of every take that is written.
    """
    paths = []
    casts = casts or [None] * len(shots)
    order = range(len(shots))
    for _, group in itertools.groupby(order, key=lambda index: _key(casts[index])):
        places = list(group)
        cast = casts[places[0]]
        taken = sample_cast(
            pipe,
            [shots[index] for index in places],
            [prompts[index] for index in places],
            cast,
            spec,
            settings,
            strength=strength,
            faces=faces,
            progress=progress,
            label=label,
        )
        for index, (clip, regions) in zip(places, taken, strict=True):
            record = {
                **_record(spec, settings, cast, strength, consents or {}),
                "resolved_prompt": prompts[index],
                "fingerprint": fingerprints[index],
            }
            if regions:
                record["regions"] = {name: region.text for name, region in regions.items()}
            paths.append(write_take(out_dir, shots[index], clip, record))
            if delivered is not None:
                delivered(index)
    return tuple(paths)


def _key(cast: ShotCast | None) -> tuple[object, ...]:
    return () if cast is None else cast.key


def _record(
    spec: BackboneSpec,
    settings: SampleSettings,
    cast: ShotCast | None,
    strength: Strength,
    consents: Mapping[str, str],
) -> dict[str, object]:
    return {
        **_who(cast, consents),
        "strength": strength if cast else 0.0,
        "backbone": spec.name,
        "sampling": dataclasses.asdict(settings),
        "facekit": facekit.__version__,
    }


def _who(cast: ShotCast | None, consents: Mapping[str, str]) -> dict[str, object]:
    """Who is in a take: one character by its name, or all of the cast."""
    if cast is None:
        return {"character": None, "character_file": None}
    if cast.is_plain:
        (one,) = cast.characters
        consent = {"consent": consents[one.source]} if one.source in consents else {}
        said = {"character": one.name, "character_file": one.source}
        return {**said, "character_sha256": character_digest(one), **consent}
    people = [
        {**told, "consent": consents[who.source]} if who.source in consents else told
        for who, told in zip(cast.characters, cast.to_json(), strict=True)
    ]
    return {"character": None, "character_file": None, "cast": people}

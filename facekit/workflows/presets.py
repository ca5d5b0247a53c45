"""Pack a character: one preset that a team shares, whole, signed and without photos."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import ValidationError

from facekit.adapters.judging_faces import JudgingFaces
from facekit.errors import UsageError
from facekit.media.files import ensure_new
from facekit.presets.bundle import open_bundle, pack_statement
from facekit.presets.manifest import Author, Manifest, Rights
from facekit.presets.names import PACK_SIGNATURE, archive_name
from facekit.presets.packing import write_archive, write_folder
from facekit.signing.home import key_home
from facekit.signing.keys import PublicKey
from facekit.signing.statements import sign_statement
from facekit.terms import SubjectType
from facekit.types import Progress
from facekit.weights import file_digest
from facekit.workflows.backbone import backbone_spec
from facekit.workflows.characters import find_character, shooting_recipe
from facekit.workflows.device import AUTO, choose_device
from facekit.workflows.licences import (
    allows_commercial,
    allows_redistribution,
    refuse_licences,
    said_or_asked,
)
from facekit.workflows.preset_content import (
    PARITY,
    PARITY_FRAMES,
    Told,
    build_preset,
    component_facts,
)
from facekit.workflows.preset_drawing import (
    contact_sheet,
    draw_shots,
    parity_record,
    portrait,
    preset_shots,
    webp,
)
from facekit.workflows.preset_files import load_any
from facekit.workflows.preset_judging import measure_judging, plan_judging
from facekit.workflows.preset_plan import Packed, PackPlan
from facekit.workflows.preset_terms import (
    check_names,
    created_text,
    lineage_of,
    part_licences,
    read_consent,
    retained_until,
)

__all__ = ["PackPlan", "Packed", "plan_pack", "run_pack"]

_LICENCE: Final = "LicenseRef-Proprietary"


def plan_pack(
    character: str,
    *,
    out: Path | None = None,
    preset_id: str | None = None,
    version: str = "1.0.0",
    title: str | None = None,
    summary: str = "",
    tags: Sequence[str] = (),
    subject: SubjectType | None = None,
    consent: Path | Mapping[str, Any] | None = None,
    licence: str = _LICENCE,
    terms: Path | None = None,
    allows_commercial_use: bool = False,
    redistribute: bool | None = None,
    commercial: bool = False,
    templates: Literal["none", "clear"] = "none",
    seal_for: Sequence[str] = (),
    report: Path | None = None,
    follows: Path | None = None,
    pictures: bool = True,
    created: str | None = None,
    key: str | None = None,
    device: str = AUTO,
    is_folder: bool = False,
    force: bool = False,
) -> PackPlan:
    """Check everything that packing a character needs; nothing is drawn or written.

    Args:
        character: A character's name, its folder or its file.
        out: Where to; `NAME-VERSION.facekit` here when None.
        preset_id: A dotted name, a slash and a name; `local/NAME` when None.
        version: Semantic.
        title: For people; the character's name when None.
        summary: For people.
        tags: For people.
        subject: Whose face it is; what the consent or the character says when None.
        consent: The record of consent: a file, its content, or what it is kept under. Of a
            character that names its person None finds the record that is valid now.
        licence: Of the adapter: SPDX, or `LicenseRef-...`.
        terms: A file with the terms in full.
        allows_commercial_use: What a licence without an SPDX name does not say by itself.
        redistribute: Whether whoever gets it may give it to others; as the name of the licence
            says when None, and no where it does not say.
        commercial: Refuse what does not allow commercial use.
        templates: Whether what tells a person goes in for everybody to read.
        seal_for: Lines of `.pub` files: templates go in for these people alone.
        report: What `facekit eval` wrote about this character.
        follows: The preset that this one is a newer version of.
        pictures: Whether a portrait, a contact sheet and the parity shot are drawn.
        created: A time that is written down; `SOURCE_DATE_EPOCH` when None, else no time, so that
            the same character packs to the same digest on any day.
        key: Name of the own key that signs; the default one when None.
        device: Where pictures are drawn.
        is_folder: Write a folder and no archive.
        force: Replace what is there.

    Raises:
        UsageError: A name, version, time or licence of another form, or options that contradict.
        ConsentRefused: Nobody says whose face it is; there is no consent of a real person, or none
            that allows packing now.
        RightsRefused: A licence does not allow the commercial use that is asked for.
        KeyRefused: There is no key to sign with.
        KeyUnknown: No key is meant by a name or a line.
        OutputExists: Something is there.
        AdapterError: The character file is damaged.
    """
    loaded = load_any(find_character(character))
    header = loaded.file.header
    recipe, _ = shooting_recipe(loaded)
    spec = backbone_spec(recipe)
    name = preset_id or f"local/{re.sub('[^a-z0-9_-]', '-', header.name.lower())}"
    check_names(name, version, licence)
    record, about = read_consent(consent, subject, loaded)
    said = allows_commercial(licence)
    no = "--redistribute" if redistribute else "--no-redistribute"
    rights = Rights(
        license=licence,
        commercial=allows_commercial_use if said is None else said,
        redistribute=said_or_asked(licence, allows_redistribution(licence), redistribute, no),
        retain_until=retained_until(record),
    )
    findings = part_licences(component_facts(loaded, spec, recipe), rights, commercial=commercial)
    refuse_licences(f"{name}@{version}", findings)
    if templates == "clear" and seal_for:
        raise UsageError(
            "templates clear and --seal-for both given, expected one; templates are for everybody"
            " or for those who are named"
        )
    signing = key_home().signing_key(key)
    target = out or Path(archive_name(name, version))
    told = Told(
        id=name,
        version=version,
        title=title or header.name,
        summary=summary,
        tags=tuple(tags),
        author=Author(name=signing.public.name, keyid=signing.public.keyid),
        subject=about,
        consent=record,
        rights=rights,
        terms=terms,
        report=report,
        lineage=lineage_of(follows),
        templates="sealed" if seal_for else templates,
        seal_for=tuple(PublicKey.given(line) for line in seal_for),
        created=created_text(created),
    )
    plan = PackPlan(
        character=loaded,
        spec=spec,
        recipe=recipe,
        told=told,
        licences=findings,
        judging=None if told.templates == "none" else plan_judging(loaded),
        shots=preset_shots(spec, recipe, header.trigger or header.name) if pictures else (),
        key=signing,
        device=choose_device(device),
        out=ensure_new(target, force),
        is_folder=is_folder,
    )
    _build(plan, {})  # what does not hold together is told before anything is drawn
    return plan


def run_pack(plan: PackPlan, progress: Progress, *, pipe: Any = None) -> Packed:
    """Draw what is asked for, write the preset, and open it again to be sure.

    Args:
        plan: What to pack.
        progress: Told of every denoising step.
        pipe: The backbone's pipeline, when it is loaded already.

    Raises:
        WeightsError: The backbone is not here.
        FaceError: A photo that is to judge shows no face to the reporting encoder.
        OutputError: The file system refuses.
    """
    judging = None if plan.judging is None else measure_judging(plan.judging)
    pictures: dict[str, bytes] = {}
    if plan.shots:
        drawn = draw_shots(
            plan.character, plan.shots, plan.recipe, plan.device, progress, pipe=pipe
        )
        frames = drawn[0].clip.frames
        pictures = {
            PARITY: parity_record(drawn[0], plan.recipe, plan.device),
            PARITY_FRAMES: webp(frames.reshape(-1, *frames.shape[2:])),
            "media/thumb.webp": webp(portrait(drawn[0].clip)),
            "media/contact.webp": webp(contact_sheet(drawn)),
        }
    manifest, contents = _build(plan, pictures, judging)
    content = manifest.to_bytes()
    envelope = sign_statement(pack_statement(manifest, content), [plan.key])
    write = write_folder if plan.is_folder else write_archive
    files = {one.path: one.blocks for one in contents}
    write(plan.out, content, files, {PACK_SIGNATURE: envelope.to_bytes()})
    bundle = open_bundle(plan.out)
    bundle.packed_by((plan.key.public,))
    return Packed(path=plan.out, digest=bundle.digest, manifest=bundle.manifest)


def _build(
    plan: PackPlan, pictures: Mapping[str, bytes], judging: JudgingFaces | None = None
) -> tuple[Manifest, Any]:
    try:
        return build_preset(
            plan.character,
            plan.spec,
            plan.recipe,
            plan.told,
            pictures,
            file_digest(Path(plan.character.source)),
            judging,
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"{plan.told.id}@{plan.told.version}: {place}: {first['msg']}, expected what a preset"
            " can hold; shorten or correct it"
        ) from error

"""What goes into a preset: the facts of its manifest, and its files."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import facekit
from facekit.adapters.character import Character
from facekit.adapters.judging_faces import JudgingFaces
from facekit.adapters.templates import Templates, split_templates
from facekit.backbones.spec import BackboneSpec
from facekit.errors import UsageError
from facekit.faces.vendors import VendorFacts, vendor_facts
from facekit.presets.manifest import (
    ADAPTER,
    CONSENT,
    Adapter,
    Author,
    Base,
    Defaults,
    Encoder,
    Evaluation,
    Lineage,
    Manifest,
    Rights,
    Role,
    Subject,
    Training,
)
from facekit.presets.packing import Content, describe_files
from facekit.recipe import Recipe, dump_recipe
from facekit.signing.keys import PublicKey
from facekit.signing.sealing import seal
from facekit.workflows.characters import RECIPE_FILE
from facekit.workflows.preset_files import SEALED_TEMPLATES, TEMPLATES, TRAINING
from facekit.workflows.preset_texts import (
    bill_of_materials,
    clean_report,
    json_bytes,
    licence_text,
    lineage_record,
    model_card,
    report_summary,
    rights_record,
    training_record,
)

__all__ = ["PARITY", "PARITY_FRAMES", "Told", "build_preset", "component_facts"]

PARITY = "eval/parity.json"
PARITY_FRAMES = "eval/parity.webp"
_REPORT = "eval/report.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What whoever packs a preset says of it."""

    id: str
    version: str
    title: str
    summary: str
    tags: tuple[str, ...]
    author: Author | None
    subject: Subject
    consent: bytes | None
    """Content of the consent record."""
    rights: Rights
    terms: Path | None
    """A file with the terms in full."""
    report: Path | None
    """What `facekit eval` wrote."""
    lineage: Lineage
    templates: str
    """`none`, `clear` or `sealed`."""
    seal_for: tuple[PublicKey, ...]
    created: str | None


def component_facts(character: Character, spec: BackboneSpec, recipe: Recipe) -> dict[str, Any]:
    """Tell the base and the encoder of a character, with their licences.

    Args:
        character: Who.
        spec: Its backbone.
        recipe: Names where the backbone comes from.
    """
    header = character.file.header
    own = bool(recipe.base.source)
    base = Base(
        name=spec.name,
        repo=(_public_source(recipe) or "") if own else spec.repo,
        revision="" if own else spec.revision,
        digest=header.backbone_digest,
        license="not known" if own else spec.licence,
        commercial=spec.commercial_use and not own,
    )
    encoder = None
    if header.encoder:
        facts = _vendor(header.encoder)
        gallery_PD = character.file.embeddings_PD
        encoder = Encoder(
            name=header.encoder,
            digest=header.encoder_digest,
            dim=0 if gallery_PD is None else gallery_PD.shape[1],
            license=facts.licence,
            commercial=facts.commercial_use,
        )
    return {"base": base, "encoder": encoder}


def build_preset(
    character: Character,
    spec: BackboneSpec,
    recipe: Recipe,
    told: Told,
    pictures: Mapping[str, bytes],
    character_sha256: str,
    judging: JudgingFaces | None = None,
) -> tuple[Manifest, tuple[Content, ...]]:
    """Put a preset together in memory.

    Args:
        character: Who.
        spec: Its backbone.
        recipe: That it is shot by.
        told: What whoever packs it says.
        pictures: Files that were drawn, by their paths; none where nothing was.
        character_sha256: Of the file that is packed.
        judging: What goes into the templates for judging without photos.

    Returns:
        The manifest, and every file that it lists.

    Raises:
        UsageError: A report of another character, or terms that cannot be read.
        ValueError: The manifest does not hold together.
    """
    header = character.file.header
    bare, templates = split_templates(character.file)
    templates = replace(templates, judging=judging)
    parts = component_facts(character, spec, recipe)
    label = f"{told.id}@{told.version}"
    contents = [
        Content(
            path=ADAPTER,
            role="weights",
            data=bare.to_bytes(),
            biometric=bare.identity is not None,
        ),
        Content(path=f"weights/{RECIPE_FILE}", role="recipe", data=_recipe_bytes(recipe)),
        Content(
            path="LICENSE.md", role="license", data=licence_text(told.rights.license, told.terms)
        ),
        Content(
            path=TRAINING,
            role="provenance",
            data=training_record(header, label),
        ),
        Content(path="provenance/sbom.json", role="provenance", data=bill_of_materials()),
        Content(
            path="provenance/lineage.json",
            role="provenance",
            data=lineage_record(told.lineage.model_dump(mode="json"), character_sha256),
        ),
        Content(
            path="rights/license.json",
            role="rights",
            data=rights_record(
                told.rights.model_dump(mode="json"),
                {
                    name: {"license": one.license, "commercial": one.commercial}
                    for name, one in {**parts, "adapter": told.rights}.items()
                    if one is not None
                },
            ),
        ),
        *_template_files(templates, told),
    ]
    if told.consent is not None:
        contents.append(Content(path=CONSENT, role="consent", data=told.consent))
    evaluation = Evaluation(parity=PARITY if PARITY in pictures else None)
    if told.report is not None:
        report = clean_report(told.report, header.name, character_sha256)
        contents.append(Content(path=_REPORT, role="evaluation", data=json_bytes(report)))
        evaluation = evaluation.model_copy(
            update={"report": _REPORT, "summary": report_summary(report)}
        )
    for path, data in pictures.items():
        role: Role = "parity" if path in (PARITY, PARITY_FRAMES) else "media"
        contents.append(Content(path=path, role=role, data=data))
    described = describe_files([*contents, _card(b"")])
    manifest = Manifest(
        id=told.id,
        version=told.version,
        created=told.created,
        title=told.title,
        summary=told.summary,
        tags=told.tags,
        authors=() if told.author is None else (told.author,),
        subject=told.subject,
        **parts,
        adapter=_adapter(character),
        defaults=_defaults(recipe),
        eval=evaluation,
        training=Training(
            photos=len([photo for photo in header.photos if photo.role == "train"]),
            steps=int(header.training.get("steps") or 0),
            seed=header.training.get("seed"),
            recipe_digest=str(header.training.get("recipe_digest") or ""),
            facekit=facekit.__version__,
        ),
        lineage=told.lineage,
        rights=told.rights,
        files=described,
    )
    contents.append(_card(model_card(manifest)))
    return manifest.model_copy(update={"files": describe_files(contents)}), tuple(contents)


def _card(data: bytes) -> Content:
    return Content(path="README.md", role="card", data=data)


def _template_files(templates: Templates, told: Told) -> list[Content]:
    if told.templates == "none" or templates.is_empty:
        return []
    data = templates.to_bytes()
    if told.templates == "clear":
        return [Content(path=TEMPLATES, role="templates", data=data, biometric=True)]
    if not told.seal_for:
        raise UsageError(
            "templates are to be sealed and nobody is named to open them, expected --seal-for with"
            " the line of a .pub file; name somebody, yourself among them"
        )
    sealed = seal(data, told.seal_for)
    return [Content(path=SEALED_TEMPLATES, role="templates", data=sealed, biometric=True)]


def _adapter(character: Character) -> Adapter:
    file, header = character.file, character.file.header
    lora, tokens = header.lora, file.identity
    tensors = [*file.lora.values(), *(tokens.keys.values() if tokens else ())]
    dtypes = sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors})
    return Adapter(
        format="facekit.character/1",
        name=header.name,
        level=header.level,
        trigger=header.trigger,
        strength=header.strength,
        sites=len(header.sites),
        tokens=next(iter(tokens.keys.values())).shape[-2] if tokens and tokens.keys else 0,
        rank=lora.rank if lora else 0,
        alpha=lora.alpha if lora else 0.0,
        targets=lora.targets if lora else (),
        dtype=", ".join(dtypes),
    )


def _defaults(recipe: Recipe) -> Defaults:
    sample = recipe.sample
    return Defaults(
        steps=sample.num_inference_steps,
        guidance=sample.guidance_scale,
        num_frames=sample.num_frames,
        aspect=sample.aspect,
    )


def _recipe_bytes(recipe: Recipe) -> bytes:
    """The resolved recipe, without the folder that the backbone lay in."""
    base = recipe.base.model_copy(update={"source": _public_source(recipe)})
    return dump_recipe(recipe.model_copy(update={"base": base})).encode()


def _public_source(recipe: Recipe) -> str | None:
    """Where others find the backbone that a recipe names; None for a folder of this machine."""
    source = recipe.base.source
    is_here = source is None or Path(source).exists() or source.startswith(("/", ".", "~"))
    return None if is_here or "\\" in (source or "") else source


def _vendor(name: str) -> VendorFacts:
    try:
        return vendor_facts(name)
    except UsageError:  # one that this installation does not know
        return VendorFacts(name=name, licence="not known", commercial_use=False)

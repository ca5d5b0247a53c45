"""The doctor's look at face vendors: are they installed, on what do they run, who may use them."""

from typing import Final

from facekit.errors import FacekitError, PackageMissing
from facekit.faces.packages import install_command
from facekit.faces.vendors import (
    VendorFacts,
    known_vendors,
    load_faces,
    parser_facts,
    vendor_facts,
)
from facekit.recipe import Recipe
from facekit.workflows.backbone import backbone_spec
from facekit.workflows.doctor_findings import Finding
from facekit.workflows.licences import licence_finding

__all__ = ["onnxruntime_finding", "recipe_licences", "vendor_findings"]

_EMBEDDED: Final = ("toon-a", "toon-b")


def vendor_findings(recipe: Recipe) -> list[Finding]:
    """Look at every vendor that does not ship, and load those whose weights are here.

    Args:
        recipe: Its encoders are looked at as well, such as packs and folders of insightface.

    Raises:
        UsageError: The recipe names an unknown encoder.
    """
    known = [name for name in known_vendors() if vendor_facts(name).weights]
    names = dict.fromkeys((*known, recipe.encoder.train, recipe.encoder.report))
    return [_vendor(vendor_facts(name)) for name in names if name not in _EMBEDDED]


def onnxruntime_finding() -> list[Finding]:
    """Ask an open session what onnxruntime runs on; nothing where it is not installed."""
    from facekit.faces.onnx_sessions import probe_provider

    try:
        provider, wanted = probe_provider()
    except PackageMissing:
        return []
    detail = f"sessions run on {provider}"
    if provider == wanted:
        return [Finding(name="onnxruntime", status="ok", detail=detail)]
    mend = "pip uninstall -y onnxruntime onnxruntime-gpu && pip install 'facekit[gpu]'"
    detail += f", expected {wanted} beside this graphics card"
    return [Finding(name="onnxruntime", status="warn", detail=detail, mend=mend)]


def recipe_licences(recipe: Recipe, *, commercial: bool) -> list[Finding]:
    """Tell the licence of everything that a recipe uses; what forbids commercial use is named.

    Args:
        recipe: Names the encoders and the backbone.
        commercial: Whether a licence that does not allow commercial use is a fault.

    Raises:
        UsageError: The recipe names an unknown encoder or backbone.
    """
    findings = []
    for key, name in (("train", recipe.encoder.train), ("report", recipe.encoder.report)):
        facts = vendor_facts(name)
        findings.append(
            licence_finding(
                f"encoder.{key} {name}",
                facts.licence,
                allowed=facts.commercial_use,
                commercial=commercial,
                instead=f"set encoder.{key} to an encoder that allows it, such as opencv or"
                " insightface:auraface",
            )
        )
    parser, _ = parser_facts(recipe.encoder.train)
    if parser is not None and recipe.loss.face_mask_probability > 0:
        findings.append(
            licence_finding(
                f"face masks {parser.name}",
                parser.licence,
                allowed=parser.commercial_use,
                commercial=commercial,
                instead=f"remove its file, which facekit weights path {parser.name} names, and"
                " masks are ellipses, or set loss.face_mask_probability to 0",
            )
        )
    spec, source = backbone_spec(recipe), recipe.base.source
    findings.append(
        licence_finding(
            f"base.name {recipe.base.name}",
            f"not known of {source}" if source else spec.licence,
            allowed=spec.commercial_use and not source,
            commercial=commercial,
            instead="set base.name to a backbone that allows it, without base.source",
        )
    )
    return findings


def _vendor(facts: VendorFacts) -> Finding:
    name, terms = f"faces {facts.name}", f"licence {facts.licence}"
    if not facts.is_installed:
        detail = f"not installed, get it with {install_command(facts.extra)}; {terms}"
        return Finding(name=name, status="ok", detail=detail)
    if missing := " ".join(facts.missing_weights):
        detail = f"weights not here, get them with facekit weights fetch {missing}; {terms}"
        return Finding(name=name, status="ok", detail=detail)
    try:
        vendor = load_faces(facts.name)
    except FacekitError as error:
        message = str(error)
        return Finding(name=name, status="warn", detail=message, mend=error.next_step)
    provider = getattr(vendor, "provider", "")
    on = f" on {provider}" if provider else ""
    detail = f"works{on}, weights {vendor.digest[:12]}; {terms}"
    return Finding(name=name, status="ok", detail=detail)

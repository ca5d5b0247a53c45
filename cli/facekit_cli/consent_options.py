"""Options of ``facekit consent``: what is agreed, said in words."""

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:  # help must not wait for it
    from facekit.workflows.consent_terms import ConsentTerms

__all__ = [
    "AllowUse",
    "Contact",
    "Controller",
    "DenyUse",
    "Doing",
    "Effect",
    "EffectOf",
    "Exclude",
    "From",
    "KeyName",
    "Media",
    "Method",
    "Name",
    "NoTraining",
    "Notice",
    "Paid",
    "PaidRef",
    "Photos",
    "Project",
    "Purpose",
    "Reference",
    "SubjectRef",
    "SubjectType",
    "Templates",
    "Territory",
    "Unit",
    "Until",
    "make_terms",
]


class Method(StrEnum):
    """How somebody agreed."""

    SELF = "self-attest"
    FORM = "signed-form"
    VIDEO = "video-statement"
    AGREEMENT = "agreement-ref"
    NOT_REQUIRED = "not-required"


class SubjectType(StrEnum):
    """Whose face it is."""

    REAL = "real"
    PERFORMED = "fictional-performed"
    SYNTHETIC = "synthetic"
    NON_HUMAN = "non-human"


class Effect(StrEnum):
    """What taking back does."""

    STOP_NEW = "stop-new"
    WITHDRAW = "withdraw"


class Unit(StrEnum):
    """What is paid for."""

    NONE = "none"
    SECOND = "per-second"
    SHOT = "per-shot"
    REF = "ref"


class Doing(StrEnum):
    """What is about to be done."""

    TRAIN = "train"
    ENROL = "enrol"
    PACK = "pack"
    SHOOT = "shoot"
    RENDER = "render"


Reference = Annotated[
    str,
    typer.Argument(metavar="REF", help="A name, a reference of a person, a digest or a file."),
]
Controller = Annotated[
    str, typer.Option("--controller", metavar="TEXT", help="Who keeps it and answers for it.")
]
Purpose = Annotated[str, typer.Option("--purpose", metavar="TEXT", help="What for, in words.")]
AllowUse = Annotated[
    list[str] | None,
    typer.Option(
        "--allow", metavar="USE", help="Such as narrative-fiction; any is all that is not denied."
    ),
]
DenyUse = Annotated[
    list[str] | None,
    typer.Option(
        "--deny",
        metavar="USE",
        help="Beside sexual, political-endorsement, deception and other-productions, which are"
        " denied unless allowed.",
    ),
]
Project = Annotated[
    str | None,
    typer.Option("--project", metavar="ID", help="The production; that of facekit.toml if absent."),
]
Territory = Annotated[
    list[str] | None,
    typer.Option("--territory", metavar="PLACE", help="world, or countries such as DE."),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="PLACE", help="Countries where it is not shown."),
]
Media = Annotated[
    list[str] | None, typer.Option("--media", metavar="KIND", help="Such as film; any if absent.")
]
From = Annotated[str, typer.Option("--from", metavar="DATE", help="First day; today if absent.")]
Until = Annotated[
    str,
    typer.Option(
        "--until", metavar="DATE", help="Last day, ten years on at most; a year if absent."
    ),
]
Paid = Annotated[Unit, typer.Option("--compensation", help="What is paid for.")]
PaidRef = Annotated[
    str, typer.Option("--compensation-ref", metavar="TEXT", help="Where that is agreed.")
]
Templates = Annotated[
    str, typer.Option("--keep-until", metavar="DATE", help="Last day of keeping the character.")
]
Photos = Annotated[
    str, typer.Option("--keep-photos-until", metavar="DATE", help="Last day of keeping the photos.")
]
Contact = Annotated[
    str, typer.Option("--contact", metavar="TEXT", help="Whom to tell to take it back.")
]
Notice = Annotated[
    int, typer.Option("--notice-days", min=0, max=365, help="How long shots may go on after that.")
]
EffectOf = Annotated[
    Effect | None, typer.Option("--effect", help="What taking back does; stop-new if absent.")
]
SubjectRef = Annotated[
    str, typer.Option("--subject-ref", metavar="REF", help="Of a person known already.")
]
KeyName = Annotated[
    str | None, typer.Option("--key", metavar="NAME", help="The key that signs; your default one.")
]
Name = Annotated[str, typer.Option("--as", metavar="NAME", help="What to keep it under.")]
NoTraining = Annotated[
    bool, typer.Option("--enrol-only", help="No training; enrolling (level L0) alone is agreed to.")
]


def make_terms(
    subject: str,
    method: str,
    reason: str,
    controller: str,
    purpose: str,
    allow: list[str] | None,
    deny: list[str] | None,
    project: str | None,
    territory: list[str] | None,
    exclude: list[str] | None,
    media: list[str] | None,
    begin: str,
    until: str,
    compensation: Unit,
    compensation_ref: str,
    keep_until: str,
    photos_until: str,
    contact: str,
    notice_days: int,
    effect: Effect | None,
    enrol_only: bool,
) -> "Callable[[], ConsentTerms]":
    """What was said as terms; made inside of the command, where errors are told."""

    def make() -> "ConsentTerms":
        from facekit.workflows.consent_terms import ConsentTerms

        return ConsentTerms(
            subject=str(subject),
            method=str(method),
            reason=reason,
            controller=controller,
            purpose=purpose,
            allow=tuple(allow or ()),
            deny=tuple(deny or ()),
            project=project,
            territory=tuple(territory or ()),
            territory_exclude=tuple(exclude or ()),
            media=tuple(media or ()),
            valid_from=begin,
            valid_until=until,
            compensation=compensation.value,
            compensation_ref=compensation_ref,
            templates_until=keep_until,
            photos_until=photos_until,
            contact=contact,
            notice_days=notice_days,
            effect="" if effect is None else effect.value,
            adapter=not enrol_only,
        )

    return make

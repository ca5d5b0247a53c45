"""``facekit consent``: who agreed to what, and what it was used for."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from facekit_cli.options import Force, Json
from facekit_cli.output import show

if TYPE_CHECKING:  # help must not wait for it
    from facekit.workflows.consent import ConsentTerms

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
    "app",
    "check",
    "ledger",
    "record",
    "request",
    "revoke",
    "show_one",
]

app = typer.Typer(
    help="Request, record, check and revoke consent; ledger of use.",
    no_args_is_help=True,
)


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
EffectOf = Annotated[Effect, typer.Option("--effect", help="What taking back does.")]
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


@app.command("request")
def request(
    name: Name,
    controller: Controller = "",
    purpose: Purpose = "",
    allow: AllowUse = None,
    deny: DenyUse = None,
    project: Project = None,
    territory: Territory = None,
    exclude: Exclude = None,
    media: Media = None,
    begin: From = "",
    until: Until = "",
    compensation: Paid = Unit.NONE,
    compensation_ref: PaidRef = "",
    keep_until: Templates = "",
    photos_until: Photos = "",
    contact: Contact = "",
    notice_days: Notice = 0,
    effect: EffectOf = Effect.STOP_NEW,
    enrol_only: NoTraining = False,
    subject_ref: SubjectRef = "",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="A .html or .md; consent-NAME.html if absent."),
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write a page to print and sign, with the fields filled in. It is no legal advice."""
    from facekit.workflows.consent import write_request

    terms = _terms(
        "real", "signed-form", "", controller, purpose, allow, deny, project, territory, exclude,
        media, begin, until, compensation, compensation_ref, keep_until, photos_until, contact,
        notice_days, effect, enrol_only,
    )  # fmt: skip
    show(
        "consent.request",
        lambda: write_request(name, terms(), out=out, subject_ref=subject_ref, force=force),
        as_json=as_json,
    )


@app.command("record")
def record(
    name: Name,
    evidence: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="EVIDENCE", help="Scans, recordings, agreements; their sha256 is kept alone."
        ),
    ] = None,
    method: Annotated[
        Method, typer.Option("--method", help="How the person agreed.")
    ] = Method.FORM,
    subject: Annotated[
        SubjectType, typer.Option("--subject", help="Whose face it is.")
    ] = SubjectType.REAL,
    reason: Annotated[
        str,
        typer.Option("--reason", metavar="TEXT", help="Why none is needed; where it is agreed."),
    ] = "",
    adult: Annotated[
        bool,
        typer.Option("--adult", help="You attest that the person is of age; minors are refused."),
    ] = False,
    is_subject: Annotated[
        bool,
        typer.Option(
            "--i-am-the-subject",
            help="You are the person, of age, and agree to shots of yourself; no more is asked.",
        ),
    ] = False,
    controller: Controller = "",
    purpose: Purpose = "",
    allow: AllowUse = None,
    deny: DenyUse = None,
    project: Project = None,
    territory: Territory = None,
    exclude: Exclude = None,
    media: Media = None,
    begin: From = "",
    until: Until = "",
    compensation: Paid = Unit.NONE,
    compensation_ref: PaidRef = "",
    keep_until: Templates = "",
    photos_until: Photos = "",
    contact: Contact = "",
    notice_days: Notice = 0,
    effect: EffectOf = Effect.STOP_NEW,
    enrol_only: NoTraining = False,
    subject_ref: SubjectRef = "",
    renew: Annotated[
        bool, typer.Option("--renew", help="The person of this name has agreed anew.")
    ] = False,
    key: KeyName = None,
    as_json: Json = False,
) -> None:
    """Record what somebody agreed to, signed with your key."""
    from facekit.workflows.consent import record_consent, record_self

    if is_subject:
        show("consent.record", lambda: record_self(name), as_json=as_json)
        return
    terms = _terms(
        subject, method, reason, controller, purpose, allow, deny, project, territory, exclude,
        media, begin, until, compensation, compensation_ref, keep_until, photos_until, contact,
        notice_days, effect, enrol_only,
    )  # fmt: skip
    show(
        "consent.record",
        lambda: record_consent(
            evidence or (),
            name,
            terms(),
            adult=adult,
            subject_ref=subject_ref,
            renew=renew,
            key=key,
        ),
        as_json=as_json,
    )


@app.command("show")
def show_one(
    reference: Annotated[
        str | None, typer.Argument(metavar="REF", help="One of them in full; all when absent.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show consents, and whether they hold now."""
    from facekit.workflows.consent import show_consents

    show("consent.show", lambda: show_consents(reference), as_json=as_json)


@app.command("check")
def check(
    reference: Reference,
    use: Annotated[
        str, typer.Option("--use", metavar="USE", help="What for; the first allowed if absent.")
    ] = "",
    doing: Annotated[
        Doing, typer.Option("--doing", help="What is about to be done.")
    ] = Doing.SHOOT,
    project: Project = None,
    territory: Territory = None,
    exclude: Exclude = None,
    media: Media = None,
    as_json: Json = False,
) -> None:
    """Say whether a consent allows a use; else exit code 4 and the rule that refused."""
    from facekit.workflows.consent import check_one

    show(
        "consent.check",
        lambda: check_one(
            reference,
            action=doing.value,
            use=use,
            project=project,
            territory=territory or (),
            territory_exclude=exclude or (),
            media=media or (),
        ),
        as_json=as_json,
    )


@app.command("revoke")
def revoke(
    reference: Reference,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")] = "",
    effect: Annotated[
        Effect | None, typer.Option("--effect", help="As was agreed if absent.")
    ] = None,
    key: KeyName = None,
    as_json: Json = False,
) -> None:
    """Take back what a person agreed to, and all that they agreed to before."""
    from facekit.workflows.consent import revoke_consent

    how: Literal["stop-new", "withdraw"] | None = None if effect is None else effect.value
    show(
        "consent.revoke",
        lambda: revoke_consent(reference, reason=reason, effect=how, key=key),
        as_json=as_json,
    )


@app.command("ledger")
def ledger(
    table: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Write a line for each character in each clip."),
    ] = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify", help="Say only whether all lines are as they were written; 6 if not."
        ),
    ] = False,
    head: Annotated[
        str | None,
        typer.Option("--head", metavar="SHA256", help="As noted earlier: it must still be there."),
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Say who was on screen for how long, and prove that no line was changed."""
    from facekit.workflows.ledger_look import read_ledger

    show(
        "consent.ledger",
        lambda: read_ledger(expected=head, table=table, brief=verify, force=force),
        as_json=as_json,
    )


def _terms(
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
    effect: Effect,
    enrol_only: bool,
) -> "Callable[[], ConsentTerms]":
    """What was said as terms; made inside of the command, where errors are told."""

    def make() -> "ConsentTerms":
        from facekit.workflows.consent import ConsentTerms

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
            effect=effect.value,
            adapter=not enrol_only,
        )

    return make

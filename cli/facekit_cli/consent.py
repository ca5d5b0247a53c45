"""``facekit consent``: who agreed to what, and what it was used for."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from facekit_cli.consent_options import (
    AllowUse,
    Contact,
    Controller,
    DenyUse,
    Doing,
    Effect,
    EffectOf,
    Exclude,
    From,
    KeyName,
    Media,
    Method,
    Name,
    Notice,
    NoTraining,
    Paid,
    PaidRef,
    Photos,
    Project,
    Purpose,
    Reference,
    SubjectRef,
    SubjectType,
    Templates,
    Territory,
    Unit,
    Until,
    make_terms,
)
from facekit_cli.options import Force, Json
from facekit_cli.output import show

__all__ = ["app", "check", "ledger", "record", "request", "revoke", "show_one"]

app = typer.Typer(
    help="Request, record, check and revoke consent; ledger of use.",
    no_args_is_help=True,
)


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
    effect: EffectOf = None,
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

    terms = make_terms(
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
        Method | None,
        typer.Option("--method", help="How the person agreed; signed-form if absent."),
    ] = None,
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
            help="You are the person, of age, and agree to shots of yourself; whatever else is"
            " said differs from what is usual.",
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
    effect: EffectOf = None,
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

    how = method or (Method.SELF if is_subject else Method.FORM)
    terms = make_terms(
        subject, how, reason, controller, purpose, allow, deny, project, territory, exclude,
        media, begin, until, compensation, compensation_ref, keep_until, photos_until, contact,
        notice_days, effect, enrol_only,
    )  # fmt: skip
    if is_subject:
        show(
            "consent.record",
            lambda: record_self(
                name,
                terms(),
                evidence=evidence or (),
                subject_ref=subject_ref,
                renew=renew,
                key=key,
            ),
            as_json=as_json,
        )
        return
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
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE", help="Ledgers to sum up, as of several machines; yours when absent."
        ),
    ] = None,
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
        lambda: read_ledger(files or (), expected=head, table=table, brief=verify, force=force),
        as_json=as_json,
    )

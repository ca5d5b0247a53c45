"""``facekit doctor``."""

from facekit_cli.options import Json
from facekit_cli.output import execute

__all__ = ["doctor"]


def doctor(as_json: Json = False) -> None:
    """Look at versions, devices, weights and disk.

    Prints the command that mends each fault.
    """
    from facekit.workflows.doctor import plan_doctor, run_doctor

    execute("doctor", plan_doctor, run_doctor, as_json=as_json)

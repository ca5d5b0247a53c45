"""Which of several processes this is that a launcher (torchrun, accelerate launch) started.

Read from the environment alone, for help and wrong options must not wait for torch.
"""

import os

from facekit.errors import UsageError

__all__ = ["is_first", "may_tell", "num_processes", "require_single"]


def num_processes() -> int:
    """How many were started; 1 without a launcher."""
    launched = "LOCAL_RANK" in os.environ and "RANK" in os.environ
    return int(os.environ.get("WORLD_SIZE", "1")) if launched else 1


def is_first() -> bool:
    """Whether this one prints plan and result; a single process does."""
    return num_processes() == 1 or os.environ["RANK"] == "0"


def may_tell() -> bool:
    """Whether this one tells what went wrong; ask once.

    Whoever asks first where they are joined already, for any of them may be the one that failed;
    before that the first on each machine.
    """
    if num_processes() == 1:
        return True
    from facekit.workflows.processes import running

    joined = running()
    return joined.may_speak() if joined.count > 1 else os.environ["LOCAL_RANK"] == "0"


def require_single(verb: str) -> None:
    """Refuse what several processes cannot share.

    Raises:
        UsageError: A launcher started several.
    """
    if num_processes() > 1:
        raise UsageError(
            f"facekit {verb.replace('.', ' ')}: {num_processes()} processes were started, expected"
            " one, since only training is shared out; start it without torchrun or accelerate"
            " launch"
        )

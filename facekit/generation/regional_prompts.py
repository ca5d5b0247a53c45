"""What a region reads of a prompt: the words of its own character, and of the others nothing."""

import re

__all__ = ["SOMEBODY", "regional_prompt"]

SOMEBODY = "a person"
"""What the other characters are called."""

_NAME = re.compile(r"@([A-Za-z][\w-]*)")


def regional_prompt(prompt: str, name: str, phrase: str) -> str:
    """Write what the region of a character reads.

    The words that say how many there are and who stands where stay, so that the picture is laid
    out as for the whole prompt, and no looks are left that could go to the wrong figure.

    Args:
        prompt: With `@name` for every character.
        name: Of the one whose region it is.
        phrase: What stands for that name.

    Returns:
        Such as "medium shot of a person with red hair on the left and a person on the right".
    """
    return _NAME.sub(lambda found: phrase if found[1] == name else SOMEBODY, prompt)

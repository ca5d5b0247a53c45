from facekit.generation.regional_prompts import regional_prompt

PROMPT = "medium shot of @mira on the left and @tom-2 on the right, @mira happy"


def test_a_region_reads_the_looks_of_its_own_character_alone() -> None:
    assert regional_prompt(PROMPT, "mira", "a woman with red hair") == (
        "medium shot of a woman with red hair on the left and a person on the right,"
        " a woman with red hair happy"
    )
    assert regional_prompt(PROMPT, "tom-2", "a man") == (
        "medium shot of a person on the left and a man on the right, a person happy"
    )


def test_a_phrase_is_taken_as_it_is() -> None:
    assert regional_prompt("@mira", "mira", r"a \1 person") == r"a \1 person"

from facekit.presets.fsspec_facts import told_refusal


def test_what_a_storage_refuses_is_told_in_words() -> None:
    why, step = told_refusal(FileNotFoundError("The specified bucket does not exist"), "b/x")
    assert (why, step.partition(" ")[0]) == ("there is no bucket or folder b/x", "make")
    assert told_refusal(PermissionError(13, "Access Denied"), "b")[0].startswith("no right")
    assert told_refusal(OSError(28, "x"), "b") == ("no space left", "free some space")
    assert told_refusal(ValueError("odd; very"), "b")[0] == "odd, very"

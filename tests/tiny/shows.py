"""A show whose file names who may sign consents."""

SHOW = """\
[people.anna]
key = "{key}"
roles = ["{role}"]
[consent]
folder = "{folder}"
roles = ["legal"]
"""

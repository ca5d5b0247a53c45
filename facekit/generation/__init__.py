"""Shots in, clips out, through the stock pipelines; storyboards and timelines without any.

Nothing is imported here, for a storyboard needs no torch: take names from their modules, such as
`facekit.generation.sample`.
"""

"""Trouble at each step of the file system in turn; imports little, so that processes start soon."""

import os

STEPS = ("replace", "rename", "link", "mkdir", "rmdir", "unlink", "fsync")  # of `os`, by name
_DONE = {name: getattr(os, name) for name in STEPS}
# nothing is really brought to the disk: that is slow, and no cut of the power is tried here
_DONE["fsync"] = lambda _: None


class Trouble:
    """Something that happens at one step of the file system, before or after it is done."""

    def __init__(self, number, happen, after=False, lasting=False):
        self.number, self.happen, self.after, self.lasting = number, happen, after, lasting
        self.count = 0
        self.functions = {name: getattr(os, name) for name in STEPS}

    def __enter__(self):
        for name in STEPS:
            setattr(os, name, self.wrapped(_DONE[name]))
        return self

    def __exit__(self, *error):
        for name, function in self.functions.items():
            setattr(os, name, function)

    def wrapped(self, function):
        def step(*args, **kwargs):
            self.count += 1
            now = self.count == self.number or (self.lasting and self.count > self.number)
            if now and not self.after:
                self.happen()
            result = function(*args, **kwargs)
            if now and self.after:
                self.happen()
            return result

        return step


def copied(source, target):
    """Copy a store in no time and without any of the steps: by links, as no file is written to."""
    for path in [source, *sorted(source.rglob("*"))]:
        place = target / path.relative_to(source)
        if path.is_dir():
            if not place.parent.exists():
                _DONE["mkdir"](place.parent)
            _DONE["mkdir"](place)
        else:
            _DONE["link"](path, place)

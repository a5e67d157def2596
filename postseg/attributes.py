"""Attributes of a `PostSegmentation`: settings, which are checked, and the results of its steps."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

if TYPE_CHECKING:
    from postseg.processor import PostSegmentation

T = TypeVar("T")


class Setting(Generic[T]):
    """An attribute that is checked when it is assigned, and drops the results it outdates.

    `outdates` is the name of the method that drops them: where the value is another one, as `same`
    tells.
    """

    def __init__(
        self,
        check: Callable[[Any], T],
        default: Any,
        doc: str,
        outdates: str = "",
        same: Callable[[T, T], bool] = operator.eq,
    ):
        self._check, self._default, self._outdates = check, check(default), outdates
        self._same = same
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self._slot = f"_{name}"

    @overload
    def __get__(self, post: None, owner: type) -> Self: ...
    @overload
    def __get__(self, post: PostSegmentation, owner: type) -> T: ...
    def __get__(self, post: PostSegmentation | None, owner: type) -> Self | T:
        # from the class where nothing was assigned: as in a subclass that forgot our __init__
        return self if post is None else vars(post).get(self._slot, self._default)

    def __set__(self, post: PostSegmentation, value: Any) -> None:
        with post._turn.lock:
            before, checked = vars(post).get(self._slot, self._default), self._check(value)
            vars(post)[self._slot] = checked
            if self._outdates and not self._same(before, checked):
                getattr(post, self._outdates)()


class Result(Generic[T]):
    """An attribute that a step sets; part of `Held`, so that an error takes it back."""

    def __init__(self, doc: str):
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, post: None, owner: type) -> Self: ...
    @overload
    def __get__(self, post: PostSegmentation, owner: type) -> T | None: ...
    def __get__(self, post: PostSegmentation | None, owner: type) -> Self | T | None:
        return self if post is None else getattr(post._held, self._name)

    def __set__(self, post: PostSegmentation, value: T | None) -> None:
        post._hold(**{self._name: value})

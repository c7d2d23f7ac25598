"""A rule that is switched off by another text of the code."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

import pytest
from earthengine.exactly_once_model import Scenario


@dataclass(frozen=True)
class Mutation:
    """Without ``rule`` some history of ``faults`` must end in what it ``finds``."""

    rule: str
    module: ModuleType
    old: str
    new: str
    faults: tuple[str, ...]
    finds: str
    scenario: Scenario

    def apply(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put the mutant's code and constants in the place of the module's own, for everybody who uses it."""
        source = inspect.getsource(self.module)
        assert source.count(self.old) == 1, f"{self.rule}: the code has changed, and this mutation with it"
        mutant: dict[str, Any] = dict(vars(self.module))
        exec(compile(source.replace(self.old, self.new), str(self.module.__file__), "exec"), mutant)
        for name, original in list(vars(self.module).items()):
            if inspect.isclass(original) and original.__module__ == self.module.__name__:
                self._apply_to_class(monkeypatch, original, mutant[name])
            elif inspect.isfunction(original) and original.__module__ == self.module.__name__:
                monkeypatch.setattr(self.module, name, self._rewritten(original, mutant[name]))
            elif isinstance(original, frozenset):
                monkeypatch.setattr(self.module, name, mutant[name])

    def _apply_to_class(self, monkeypatch: pytest.MonkeyPatch, original: type, mutant: type) -> None:
        for member, now in list(vars(original).items()):
            if isinstance(now, property) and now.fget:
                monkeypatch.setattr(
                    original, member, property(self._rewritten(now.fget, vars(mutant)[member].fget))
                )
            elif inspect.isfunction(now):
                monkeypatch.setattr(original, member, self._rewritten(now, vars(mutant)[member]))

    def _rewritten(self, original: Any, mutant: Any) -> Any:
        """The mutant's code in the surroundings of the original."""
        if mutant.__code__.co_freevars != original.__code__.co_freevars:
            return original
        rewritten = FunctionType(
            mutant.__code__, original.__globals__, original.__name__, mutant.__defaults__, original.__closure__
        )
        rewritten.__kwdefaults__ = mutant.__kwdefaults__
        rewritten.__dict__.update(original.__dict__)
        return rewritten

"""The lines of a failing case of a double backward: the first backward, and that of its results."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from npformer.cards.case import is_output, output_names
from npformer.verify.answer.script import Script, plain_text, word
from npformer.verify.subjects.jax_subjects import JaxCallable
from npformer.verify.subjects.outputs import in_form_of, is_floating, leaves
from npformer.verify.subjects.torch_by_hand import TorchPair, TorchVJP
from npformer.verify.subjects.torch_subjects import FunctionClass, TorchModule


class SecondScript(Script):
    """``first`` is what the forward gives, ``y`` its gradients, ``dx`` and so on are theirs."""

    def call(self) -> list[str]:
        subject: Any = self.subject
        self.first = Script(self.component, subject.first, self.case, self.failure)
        self.first.imports, self.first.files = self.imports, self.files
        self.first.is_parameter = self.is_parameter  # type: ignore[method-assign]
        self.above = list(subject.upstream)
        inputs = [n for n in self.case.inputs if n not in self.above]
        self.given = [n for n in inputs if not self.is_parameter(n)]
        if isinstance(subject.first, JaxCallable):
            return self._of_jax()
        lines = self._by_hand() if self._is_by_hand() else self._by_autograd()
        if is_output(self.failure.result):
            return lines
        used, above = self.used()
        every = [n for n in self.case.inputs if not self.is_parameter(n)]
        lines.append(
            f"gradients = torch.autograd.grad({used}, {self._row(every)}, {above}, "
            "materialize_grads=True)"
        )
        for i, n in enumerate(self.case.inputs):
            if self.failure.result in (f"d{n}", f"grad {n}"):
                lines.append(f"d{word(n)} = gradients[{i}]")
        return lines

    def is_parameter(self, name: str) -> bool:
        subject: Any = self.subject
        own = (*subject.first.call.arrays, *subject.upstream)
        return isinstance(subject.first, TorchModule) and name not in own

    def _is_by_hand(self) -> bool:
        return isinstance(self.first.subject, TorchPair | TorchVJP)

    def _by_hand(self) -> list[str]:
        """The user's own backward, whose operations autograd follows."""
        subject, arguments = self.first.subject, self.first.arguments()
        upstream = self._upstream()
        if isinstance(subject, TorchPair):
            forward, backward = (
                self.first.name(f, nameless)
                for f, nameless in zip(subject.origin, ("forward", "backward"), strict=True)
            )
            lines = [f"first, cache = {forward}({arguments})"]
            call = f"{backward}({upstream}, cache)"
        else:
            lines = []
            call = f"{self.first.name(subject.origin.vjp, 'vjp')}({upstream}, {arguments})"
        targets = self.first.targets(self.given)
        for name, y in zip(self.given, output_names(len(self.given)), strict=True):
            targets = targets.replace(f"d{word(name)}", y, 1)
        return [*lines, f"{targets} = {call}"]

    def _by_autograd(self) -> list[str]:
        subject = self.first.subject
        lines, name = [], self.first.name(subject.origin)
        if isinstance(subject, TorchModule):
            lines, name = self.first.module_lines(name), "module"
        if isinstance(subject, FunctionClass):
            name += ".apply"
        outputs = [f"first{path}" for path in self._paths()]
        return [
            *lines,
            f"first = {name}({self.first.arguments()})",
            f"y = torch.autograd.grad({_row(outputs)}, {self._row(self.given)}, "
            f"{_row(map(word, self.above))}, create_graph=True)",
            *self.parts(),
        ]

    def _of_jax(self) -> list[str]:
        name, paths = self.first.name(self.first.subject.origin), self._paths()
        inputs = ", ".join(map(word, self.given))
        every = ", ".join(map(word, self.case.inputs))
        call = f"{name}({self.first.arguments()})"
        outputs = ", ".join(f"{call}{path}" for path in paths)
        above = ", ".join(self.above)
        if len(paths) > 1:
            outputs, above = f"({outputs})", f"({above})"
        lines = [
            f"def backward({every}):",
            f"    return jax.vjp(lambda {inputs}: {outputs}, {inputs})[1]({above})",
            f"y, pull = jax.vjp(backward, {every})",
            *self.parts(),
        ]
        above = ", ".join(f"d{n}" for n in self.case.upstream)
        targets = ", ".join(f"d{word(n)}" for n in self.case.inputs)
        return [*lines, f"{targets}, = pull(({above},))"]

    def _paths(self) -> list[str]:
        """How the code gets at each output of the forward."""
        return [path for path, leaf in leaves(self.first.returned) if is_floating(leaf)]

    def _upstream(self) -> str:
        """The first upstream gradients as a hand-written backward takes them."""
        outputs = output_names(len(self.above))
        return plain_text(
            in_form_of(self.first.returned, dict(zip(outputs, self.above, strict=True)))
        )

    def _row(self, names: Iterable[str]) -> str:
        """Inputs, and a module's parameters after them."""
        module = isinstance(self.first.subject, TorchModule)
        return _row([*map(word, names), *([self.first.module_parameters()] if module else ())])


def _row(names: Iterable[str]) -> str:
    every = list(names)
    return every[0] if len(every) == 1 and every[0][0] != "*" else f"({', '.join(every)})"

"""The lines of a failing case: imports, arrays, the call, and the number."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from npformer.cards.case import Array, Case, is_output
from npformer.verify.answer.literals import alias, array_literal, foreign_literal, tensor_literal
from npformer.verify.answer.references import References
from npformer.verify.component import Component
from npformer.verify.components.op_component import OpComponent
from npformer.verify.protocol import frozen_in
from npformer.verify.subjects.engines import Engine
from npformer.verify.subjects.jax_subjects import JaxCallable
from npformer.verify.subjects.outputs import in_form_of, is_floating, leaves
from npformer.verify.subjects.subjects import (
    VJP,
    Pair,
    StatefulPair,
    Subject,
)
from npformer.verify.subjects.torch_by_hand import TorchPair, TorchVJP
from npformer.verify.subjects.torch_subjects import FunctionClass, TorchCallable, TorchModule
from npformer.verify.verdict import Failure, at_index


class Script(References):
    """Imports, arrays, the call, and the number."""

    def __init__(
        self, component: Component, subject: Subject, case: Case, failure: Failure
    ) -> None:
        super().__init__(subject)
        self.component, self.case, self.failure = component, case, failure
        self.torch = isinstance(subject, TorchCallable)
        self.bfloat16 = isinstance(subject, TorchCallable) and subject.bfloat16
        self.device = subject.device if isinstance(subject, TorchCallable) else "cpu"
        self.engine: Engine = subject.engine
        self.frozen = frozen_in(failure)
        """The input that gets no gradient, where the fault shows then alone."""

    def lines(self) -> list[str]:
        call = self.call()
        static = self._used_static()
        arrays = {**self.case.inputs, **static}
        body = [
            f"{word(name)} = {self._literal(value, name in self._trained)}"
            for name, value in arrays.items()
            if isinstance(value, np.ndarray) and not self.is_parameter(name)
        ]
        body += [f"d{n} = {self._literal(dy, False)}" for n, dy in self.case.upstream.items()]
        libraries = self._libraries()
        numpy = any(line.startswith("np.") or " np." in line or "(np." in line for line in body)
        if numpy and "import numpy as np" not in libraries:
            libraries.insert(0, "import numpy as np")
        if any("in_layout(" in line for line in body):
            self.imports["npformer.cards.values"] = ["in_layout"]
        if self.files:
            self.imports["runpy"] = ["run_path"]
        imports = [f"from {m} import {', '.join(names)}" for m, names in self.imports.items()]
        imports += [f"{name} = run_path({path!r})[{name!r}]" for name, path in self.files.items()]
        return [*libraries, *imports, *body, *call, self._shown()]

    def _libraries(self) -> list[str]:
        if self.torch:
            return ["import torch"]
        if self.engine.xp is None:
            return ["import numpy as np"]
        named = f"import {self.engine.xp.__name__} as {alias(self.engine)}"
        if not self.engine.is_jax:
            return [named]
        wide = self.case.dy.dtype == np.float64
        turned_on = ["jax.config.update('jax_enable_x64', True)"] if wide else []
        return ["import jax", named, *turned_on]

    def _used_static(self) -> dict[str, Any]:
        names = (*self.subject.call.arrays, *self.subject.call.keywords)
        if isinstance(self.component, OpComponent):
            names = (*names, *self.case.static)
        return {n: v for n, v in self.case.static.items() if n in names}

    def is_parameter(self, name: str) -> bool:
        return isinstance(self.subject, TorchModule) and name not in self.subject.call.arrays

    @property
    def _trained(self) -> list[str]:
        return [n for n in self.case.inputs if n != self.frozen]

    def _literal(self, array: Array, differentiated: bool) -> str:
        if self.torch:
            return tensor_literal(array, differentiated, self.bfloat16, self.device)
        return foreign_literal(array, self.engine) if self.engine.xp else array_literal(array)

    def arguments(self) -> str:
        """As the call's text has them."""
        static = self._used_static()
        every = {**self.case.inputs, **static}

        def text(name: str) -> str:
            value = every[name]
            if name == "rng" and value is not None:
                return f"np.random.default_rng({value})"
            return word(name) if isinstance(value, np.ndarray) else repr(value)

        if isinstance(self.component, OpComponent):
            given = [text(n) for n in self.case.inputs]
            return ", ".join([*(f"{n}={t}" for n, t in zip(self.case.inputs, given, strict=True)),
                              *(f"{n}={text(n)}" for n in static)])  # fmt: skip
        call = self.subject.call
        lists = {
            n: f"[{', '.join(text(m) for m in members if m in every)}]" for n, members in call.lists
        }
        positional = [lists.get(n) or text(n) for n in call.positional if n in every or n in lists]
        keywords = [n for n in call.keywords if n in every]
        if isinstance(self.subject, FunctionClass):
            rest = (self.subject.parameters or ())[len(positional) :]
            last = max((i for i, p in enumerate(rest) if p.name in keywords), default=-1)
            return ", ".join([*positional, *(text(p.name) if p.name in keywords else repr(p.default)
                                             for p in rest[: last + 1])])  # fmt: skip
        return ", ".join([*positional, *(f"{n}={text(n)}" for n in keywords)])

    def call(self) -> list[str]:
        subject, arguments = self.subject, self.arguments()
        gradients = [n for n in self._trained if not self.is_parameter(n)]
        targets = self.targets(gradients)
        if isinstance(subject, Pair | TorchPair):
            forward = self.name(subject.origin[0], "forward")
            backward = self.name(subject.origin[1], "backward")
            if isinstance(subject, StatefulPair):
                return [
                    f"y = {forward}({arguments})",
                    *self.parts(),
                    f"{targets} = {backward}({self._upstream()})",
                ]
            return [
                f"y, cache = {forward}({arguments})",
                *self.parts(),
                f"{targets} = {backward}({self._upstream()}, cache)",
            ]
        if isinstance(subject, VJP | TorchVJP):
            function = self.name(subject.origin.function)
            vjp = self.name(subject.origin.vjp, "vjp")
            return [
                f"y = {function}({arguments})",
                *self.parts(),
                f"{targets} = {vjp}({self._upstream()}, {arguments})",
            ]
        name = self.name(subject.origin)
        if isinstance(subject, JaxCallable):
            return self._jax_call(name, arguments, gradients)
        if isinstance(subject, TorchModule):
            return self._module_call(name, arguments, gradients)
        if isinstance(subject, FunctionClass):
            name += ".apply"
        if is_output(self.failure.result):
            return [f"y = {name}({arguments})", *self.parts()]
        given = ", ".join(map(word, gradients))
        comma = "," if len(gradients) == 1 else ""
        return [
            f"y = {name}({arguments})",
            *self.parts(),
            f"{targets}{comma} = torch.autograd.grad({self.used()[0]}, ({given}{comma}), "
            f"{self.used()[1]})",
        ]

    def targets(self, inputs: list[str]) -> str:
        """What the gradients are called; those of a list are one, if the backward returns it so."""
        row = [f"d{word(n)}" for n in inputs]
        lists = [[m for m in members if m in inputs] for _, members in self.subject.call.lists]
        if not any(lists) or not _in_lists(self.subject, self.case):
            return ", ".join(row)
        for members in filter(None, lists):
            at = row.index(f"d{word(members[0])}")
            row[at : at + len(members)] = [f"[{', '.join(row[at : at + len(members)])}]"]
        return ", ".join(row) + ("," if len(row) == 1 else "")

    def _jax_call(self, name: str, arguments: str, inputs: list[str]) -> list[str]:
        names = ", ".join(map(word, inputs))
        targets = ", ".join(f"d{word(n)}" for n in inputs) + ("," if len(inputs) == 1 else "")
        paths = [path for path, leaf in leaves(self.returned) if is_floating(leaf)]
        if paths == [""]:
            return [
                f"y, pull = jax.vjp(lambda {names}: {name}({arguments}), {names})",
                f"{targets} = pull(dy)",
            ]
        comma = "," if len(paths) == 1 else ""
        outputs, above = list(self.case.upstream), [f"d{n}" for n in self.case.upstream]
        return [
            f"def outputs({names}):",
            f"    found = {name}({arguments})",
            f"    return {', '.join(f'found{path}' for path in paths)}{comma}",
            f"({', '.join(outputs)}{comma}), pull = jax.vjp(outputs, {names})",
            f"{targets} = pull(({', '.join(above)}{comma}))",
        ]

    @functools.cached_property
    def returned(self) -> Any:
        """What the forward returns; one array, where it does not run."""
        try:
            return self.subject.returned(self.case)
        except Exception:
            return self.case.dy

    def parts(self) -> list[str]:
        """How each of several outputs gets its name."""
        paths = [path for path, leaf in leaves(self.returned) if is_floating(leaf)]
        if paths == [""]:
            return []
        names = self.case.upstream
        return [f"{', '.join(names)} = {', '.join(f'y{path}' for path in paths)}"]

    def _upstream(self) -> str:
        """As a hand-written backward takes it."""
        named = {n: f"d{n}" for n in self.case.upstream}
        return plain_text(in_form_of(self.returned, named))

    def used(self) -> tuple[str, str]:
        """The outputs that are differentiated, and their upstream gradients."""
        upstream = self.case.upstream
        used = [n for n, dy in upstream.items() if len(upstream) == 1 or dy.any()] or list(upstream)
        if len(used) == 1:
            return used[0], f"d{used[0]}"
        return f"({', '.join(used)})", f"({', '.join(f'd{n}' for n in used)})"

    def _cast(self) -> str:
        """The method of a module that gives it the dtype."""
        kinds = {"float64": "double", "float32": "float", "float16": "half"}
        return "bfloat16" if self.bfloat16 else kinds[self.case.dy.dtype.name]

    def _moved(self) -> str:
        return "" if self.device == "cpu" else f".to({self.device!r})"

    def module_lines(self, name: str) -> list[str]:
        """A module of the case's dtype, with its parameters."""
        parameters = {n: a for n, a in self.case.inputs.items() if self.is_parameter(n)}
        return [
            f"module = {name}.{self._cast()}(){self._moved()}",
            "values = {",
            *(
                f"    {n!r}: {tensor_literal(a, False, self.bfloat16, self.device)},"
                for n, a in parameters.items()
            ),
            "}",
            "module.load_state_dict(values, strict=False)",
            *(
                f"module.get_parameter({n!r}).requires_grad_(False)"
                for n in parameters
                if n == self.frozen
            ),
        ]

    def module_parameters(self) -> str:
        """Those that are trained, as part of a row of tensors."""
        subject: Any = self.subject
        trained = all(p.requires_grad for p in subject.origin.parameters())
        if trained and (not self.frozen or not self.is_parameter(self.frozen)):
            return "*module.parameters()"
        return "*(p for p in module.parameters() if p.requires_grad)"

    def _module_call(self, name: str, arguments: str, inputs: list[str]) -> list[str]:
        parameters = [n for n in self._trained if self.is_parameter(n)]
        lines = [*self.module_lines(name), f"y = module({arguments})", *self.parts()]
        given = ", ".join([*map(word, inputs), self.module_parameters()])
        used, upstream = self.used()
        lines.append(f"gradients = torch.autograd.grad({used}, ({given}), {upstream})")
        for i, n in enumerate((*inputs, *parameters)):
            if self.failure.result in (f"d{n}", f"grad {n}"):
                lines.append(f"d{word(n)} = gradients[{i}]")
        return lines

    def _shown(self) -> str:
        failure = self.failure
        result = failure.result.removeprefix("grad ")
        if failure.result.startswith("grad "):
            result = f"d{word(result)}"
        if failure.index is None:
            named = {f"d{word(n)}" for n in self._trained}
            named |= {word(n) for n in (*self.case.inputs, *self.case.static)}
            named |= set(self.case.upstream)
            return f"print({word(result)})" if word(result) in named else "print(y)"
        return f"print({at_index(word(result), failure.index)})  # expected {failure.expected:.6g}"


def _in_lists(subject: Subject, case: Case) -> bool:
    """Whether a hand-written backward returns the gradients of a list of arrays as a list."""
    kept: list[Any] = []
    of_vjp = isinstance(subject, VJP | TorchVJP)

    def listening(*arguments: Any, **keywords: Any) -> Any:
        own = subject.origin.vjp if of_vjp else subject.origin[1]
        kept.append(own(*arguments, **keywords))
        return kept[-1]

    if of_vjp:
        origin: Any = dataclasses.replace(subject.origin, vjp=listening)
    elif isinstance(subject, Pair | TorchPair):
        origin = subject.origin[0], listening
    else:
        return False
    with contextlib.suppress(Exception):
        dataclasses.replace(subject, origin=origin).run(case)
    several = kept[0] if kept and isinstance(kept[0], (tuple, list)) else ()
    return any(isinstance(each, (tuple, list)) for each in several)


def plain_text(form: Any) -> str:
    """Names in tuples, lists and dictionaries, as code."""
    if isinstance(form, Mapping):
        return "{" + ", ".join(f"{k!r}: {plain_text(v)}" for k, v in form.items()) + "}"
    if isinstance(form, tuple):
        return f"({', '.join(map(plain_text, form))}{',' if len(form) == 1 else ''})"
    return str(form)


def word(name: str) -> str:
    """A variable's name for an argument or a parameter's path."""
    return name.replace(".", "_").replace(" ", "_").replace("[", "_").replace("]", "")

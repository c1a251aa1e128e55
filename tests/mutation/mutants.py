"""Small faults that could be made in a file: one expression changed at a time."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_COMPARED: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Lt: ast.LtE(),
    ast.LtE: ast.Lt(),
    ast.Gt: ast.GtE(),
    ast.GtE: ast.Gt(),
    ast.Eq: ast.NotEq(),
    ast.NotEq: ast.Eq(),
    ast.Is: ast.IsNot(),
    ast.IsNot: ast.Is(),
    ast.In: ast.NotIn(),
    ast.NotIn: ast.In(),
}
_COMPUTED: dict[type[ast.operator], ast.operator] = {
    ast.Add: ast.Sub(),
    ast.Sub: ast.Add(),
    ast.Mult: ast.FloorDiv(),
    ast.FloorDiv: ast.Mult(),
    ast.Mod: ast.Add(),
    ast.BitAnd: ast.BitOr(),
    ast.BitOr: ast.BitAnd(),
    ast.LShift: ast.RShift(),
    ast.RShift: ast.LShift(),
}


@dataclass(frozen=True)
class Mutant:
    """A changed expression."""

    line: int
    before: str
    after: str
    source: str
    """Of the whole file, with the change."""


def mutants(source: str) -> Iterator[Mutant]:
    """Yield every change of a file; annotations and texts are left alone."""
    for node in _expressions(ast.parse(source)):
        for changed in _changes(node):
            before, after = ast.unparse(node), ast.unparse(changed)
            yield Mutant(node.lineno, before, after, _spliced(source, node, f"({after})"))


def _expressions(node: ast.AST) -> Iterator[ast.expr]:
    for child in _read(node):
        if isinstance(child, ast.JoinedStr):
            continue  # a text for people
        if isinstance(child, ast.expr):
            yield child
        yield from _expressions(child)


def _read(node: ast.AST) -> Iterable[ast.AST]:
    """Return the parts of a statement or an expression without its annotations."""
    match node:
        case ast.AnnAssign(value=value):
            return () if value is None else (value,)
        case ast.FunctionDef(args=args, body=body):
            return (*args.defaults, *(one for one in args.kw_defaults if one), *body)
        case _:
            return ast.iter_child_nodes(node)


def _changes(node: ast.expr) -> Iterator[ast.expr]:
    changed = copy.deepcopy(node)
    match changed:
        case ast.Compare(ops=[op]):
            changed.ops = [_COMPARED[type(op)]]
            yield changed
        case ast.BoolOp(op=ast.And()):
            changed.op = ast.Or()
            yield changed
        case ast.BoolOp():
            changed.op = ast.And()
            yield changed
        case ast.BinOp(op=op) if type(op) in _COMPUTED:
            changed.op = _COMPUTED[type(op)]
            yield changed
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(value))):
            yield ast.UnaryOp(ast.USub(), ast.Constant(value + 1))
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value + 1)
        case ast.IfExp(body=body, orelse=orelse):
            changed.body, changed.orelse = orelse, body
            yield changed


def _spliced(source: str, node: ast.expr, text: str) -> str:
    lines = source.encode().splitlines(keepends=True)
    first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
    head, tail = lines[first][: node.col_offset], lines[last][node.end_col_offset or 0 :]
    return b"".join([*lines[:first], head, text.encode(), tail, *lines[last + 1 :]]).decode()

"""Merkle search trees: sorted maps from text keys to oids, whose shape depends on their keys alone.

Equal maps have equal roots, however they came about, and two maps are compared by walking only the branches
that differ (`docs/reference/format/tree.md`, TREE-1 …). Nodes are read through a `Load` that the caller
gives, and new nodes are returned: nothing here stores anything.
"""

from themis_vcs.model.tree.build import build
from themis_vcs.model.tree.casekey import case_key, case_of, split_key
from themis_vcs.model.tree.diff import Change, diff
from themis_vcs.model.tree.node import EMPTY, Built, Load, is_end
from themis_vcs.model.tree.read import get, scan, size
from themis_vcs.model.tree.update import update

__all__ = [
    "EMPTY",
    "Built",
    "Change",
    "Load",
    "build",
    "case_key",
    "case_of",
    "diff",
    "get",
    "is_end",
    "scan",
    "size",
    "split_key",
    "update",
]

"""The scores of runs as arrays in the order of their cases. Trees that several runs share are read once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from themis_vcs.analysis.lookup import Located
from themis_vcs.analysis.metrics import metric_tracks
from themis_vcs.analysis.reading import Reader
from themis_vcs.analysis.scores import ScoreNotes
from themis_vcs.analysis.statistics.units import Floats
from themis_vcs.model.objects import Track
from themis_vcs.model.oid import Oid
from themis_vcs.model.tree import case_of


@dataclass(frozen=True)
class CaseTable:
    """The cases of a run: their keys DATASET/CASE in order, with the oids of what they hold."""

    keys: list[str]
    oids: list[Oid]

    @cached_property
    def places(self) -> dict[str, int]:
        """Where each key stands."""
        return {key: place for place, key in enumerate(self.keys)}


class CaseScores:
    """The scores of any runs of a store."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._tables: dict[Oid, CaseTable] = {}
        self._notes: dict[str, ScoreNotes] = {}
        self._draws: dict[tuple[Oid, Oid, int], Floats] = {}

    def table(self, run: Located) -> CaseTable:
        """The cases of a run."""
        root = run.snapshot.identity.cases
        if root not in self._tables:
            entries = list(self.reader.scan(root))
            self._tables[root] = CaseTable([key for key, _ in entries], [oid for _, oid in entries])
        return self._tables[root]

    def metrics(self, run: Located) -> dict[str, Track]:
        """The metrics of a run by their ids, in order."""
        return {track.id: track for track in metric_tracks(self.reader, run.run.stages)}

    def scores(self, run: Located, track: Track) -> Floats:
        """The score of every case of a run, NaN for one that has none. Of several draws it is the mean."""
        draws = self.draws(run, track)
        if draws.shape[1] == 1:
            return draws[:, 0]
        given = ~np.isnan(draws)
        sums, counts = np.where(given, draws, 0.0).sum(axis=1), given.sum(axis=1)
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)

    def draws(self, run: Located, track: Track) -> Floats:
        """A row per case of a run and a column per draw, NaN where there is no score."""
        key = (run.snapshot.identity.cases, track.values, track.fanout)
        if key not in self._draws:
            self._draws[key] = self._arranged(run, track)
        return self._draws[key]

    def _arranged(self, run: Located, track: Track) -> Floats:
        table, name = self.table(run), run.run.name
        notes = self._notes.setdefault(name, ScoreNotes(self.reader, name))
        scores = np.frombuffer(notes.scores(track), dtype=np.float64)
        keys = [key for key, _ in self.reader.scan(track.values)]
        cases = list(map(case_of, keys))
        if track.fanout <= 1 and cases == table.keys:
            return scores[:, None]
        rows = [table.places[case] for case in cases]
        columns = [0 if track.fanout <= 1 else int(key.rpartition("/")[2]) for key in keys]
        arranged = np.full((len(table.keys), max(track.fanout, 1)), np.nan)
        arranged[rows, columns] = scores
        return arranged

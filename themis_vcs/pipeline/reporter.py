"""Reports in Python: a run of a store in one of the formats of `themis report`, as text or in a file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from themis_vcs.analysis.lookup import locate
from themis_vcs.analysis.reading import Reader
from themis_vcs.analysis.reporting.write import write
from themis_vcs.analysis.selection import Asked
from themis_vcs.errors import StorageError
from themis_vcs.pipeline.config import StorageConfig
from themis_vcs.pipeline.experiment import Store
from themis_vcs.pipeline.stores import opened


class Reporter:
    """Writes reports of the runs of a store: a RunStore, a Repository, or the path of a store.

    Every method takes the id of a run, or any revision, and returns the report as text; with `path` it writes it to
    that file too, whole or not at all. `options` are those of `export`. NotFound if there is no such run.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def export(
        self,
        run_id: str,
        form: str,
        path: str | Path | None = None,
        *,
        by: Sequence[str] = (),
        failed: Any = "exclude",
        columns: str | None = None,
        where: str | None = None,
        sort: str | None = None,
        limit: int | None = None,
        raw: bool = False,
    ) -> str:
        """Return the report in the format `form`, with the options of `themis report`."""
        asked = Asked(columns=columns, where=where, sort=sort, limit=limit)
        with opened(self._store, StorageConfig()) as repository:
            found = locate(repository, run_id)
            _, text = write(Reader(repository), found, form, asked, by=by, failed=failed, raw=raw)
            written = "".join(text)
        if path is not None:
            replace_file(Path(path), iter([written]))
        return written

    def export_json(self, run_id: str, path: str | Path | None = None, **options: Any) -> str:
        """Return the document `themis.report/1`."""
        return self.export(run_id, "json", path, **options)

    def export_jsonl(self, run_id: str, path: str | Path | None = None, **options: Any) -> str:
        """Return an object per row."""
        return self.export(run_id, "jsonl", path, **options)

    def export_csv(self, run_id: str, path: str | Path | None = None, **options: Any) -> str:
        """Return the rows as CSV."""
        return self.export(run_id, "csv", path, **options)

    def export_markdown(self, run_id: str, path: str | Path | None = None, **options: Any) -> str:
        """Return the report as Markdown."""
        return self.export(run_id, "markdown", path, **options)

    def export_latex(self, run_id: str, path: str | Path | None = None, **options: Any) -> str:
        """Return the report as LaTeX tables."""
        return self.export(run_id, "latex", path, **options)

    def export_html(self, run_id: str, path: str | Path | None = None, **options: Any) -> str:
        """Return the report as one HTML file."""
        return self.export(run_id, "html", path, **options)


def replace_file(path: Path, text: Iterator[str]) -> None:
    """Write a text to a file that gets its name only when all of it is there. StorageError."""
    parts = path.with_name(f".{path.name}-{os.urandom(8).hex()}")
    try:
        with parts.open("x", encoding="utf-8", newline="") as file:
            file.writelines(text)
            file.flush()
            os.fsync(file.fileno())
        parts.replace(path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}") from error
    finally:
        parts.unlink(missing_ok=True)

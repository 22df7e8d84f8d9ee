"""Reports in Python: a run of a store in one of the formats of `themis report`, as text or in a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from themis_vcs.analysis.lookup import locate_run
from themis_vcs.analysis.outcomes import Row, outcomes
from themis_vcs.analysis.reading import Reader
from themis_vcs.analysis.report import report
from themis_vcs.analysis.reporting.table import arrow_table
from themis_vcs.analysis.reporting.write import write
from themis_vcs.analysis.selection import Asked, Selection
from themis_vcs.errors import StorageError, UsageError
from themis_vcs.pipeline.stores import opened_to_read
from themis_vcs.store.repository import Repository
from themis_vcs.store.settings import Failed

if TYPE_CHECKING:
    from themis_vcs.pipeline.experiment import Store


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
        failed: Failed | None = None,
        columns: str | Sequence[str] | None = None,
        where: str | None = None,
        sort: str | None = None,
        limit: int | None = None,
        raw: bool = False,
    ) -> str:
        """Return the report in the format `form`, with the options of `themis report`."""
        asked = Asked(columns=columns, where=where, sort=sort, limit=limit)
        with opened_to_read(self._store) as repository:
            found = locate_run(repository, run_id)
            _, text = write(Reader(repository), found, form, asked, by=by, failed=failed, raw=raw)
            written = "".join(text)
        if path is not None:
            replace_file(Path(path), lambda file: file.write(written.encode()))
        return written

    def to_arrow(self, run_id: str, **options: Any) -> Any:
        """Return the rows as a `pyarrow.Table`; `options` are columns, where, sort and limit. It needs the extra."""
        selection = Asked(**options).selection()
        with opened_to_read(self._store) as repository:
            return arrow_table(selection, self._rows(repository, run_id, selection))

    def to_pandas(self, run_id: str, **options: Any) -> Any:
        """Return the rows as a `pandas.DataFrame`, maps as dicts. UsageError if pandas is not installed."""
        try:
            import pandas  # noqa: PLC0415
        except ImportError as error:
            raise UsageError(f"this needs pandas: {error}", hint="pip install pandas") from error
        selection = Asked(**options).selection()
        with opened_to_read(self._store) as repository:
            rows = list(map(selection.cells, self._rows(repository, run_id, selection)))
        return pandas.DataFrame(rows, columns=list(selection.columns))

    @staticmethod
    def _rows(repository: Repository, run_id: str, selection: Selection) -> Iterator[Row]:
        reader, found = Reader(repository), locate_run(repository, run_id)
        head = report(reader, found, costs=False)
        return selection.of(outcomes(reader, found, selection.wanted, head.binary))

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
        """Return the report as one HTML file, with the first 10,000 rows unless `limit` says how many (0: all)."""
        return self.export(run_id, "html", path, **options)


def replace_file(path: Path, write_to: Callable[[BinaryIO], object]) -> None:
    """Let something be written to a file that gets its name only when all of it is there. StorageError."""
    parts = path.with_name(f".{path.name}-{os.urandom(8).hex()}")
    try:
        with parts.open("xb") as file:
            write_to(file)
            file.flush()
            os.fsync(file.fileno())
        parts.replace(path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}") from error
    finally:
        parts.unlink(missing_ok=True)

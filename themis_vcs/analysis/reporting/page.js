"use strict";
(() => {
  const data = JSON.parse(document.getElementById("rows").textContent);
  const by = (id) => document.getElementById(id);
  const shown = (value) =>
    value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
  const texts = data.rows.map((row) => row.map(shown).join("\n").toLowerCase());
  const outcome = data.columns.indexOf("outcome");
  const size = 100;
  let order = data.rows.map((_, at) => at);
  let found = order;
  let page = 0;
  let sorted = { column: -1, descending: false };

  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : shown(a) < shown(b) ? -1 : shown(a) > shown(b) ? 1 : 0;

  const draw = () => {
    const pages = Math.max(1, Math.ceil(found.length / size));
    page = Math.min(Math.max(page, 0), pages - 1);
    const lines = found.slice(page * size, (page + 1) * size).map((at) => {
      const line = document.createElement("tr");
      data.rows[at].forEach((value, column) => {
        const cell = document.createElement("td");
        cell.textContent = shown(value);
        if (column === outcome && /^[a-z]+$/.test(value)) cell.className = value;
        line.append(cell);
      });
      return line;
    });
    by("body").replaceChildren(...lines);
    by("count").textContent =
      `${found.length.toLocaleString("en")} of ${data.rows.length.toLocaleString("en")} rows, page ${page + 1} of ${pages}`;
    by("previous").disabled = page === 0;
    by("next").disabled = page === pages - 1;
  };

  const filter = () => {
    const wanted = by("filter").value.toLowerCase();
    const kind = by("outcome") ? by("outcome").value : "";
    found = order.filter(
      (at) => (!kind || data.rows[at][outcome] === kind) && (!wanted || texts[at].includes(wanted)));
    page = 0;
    draw();
  };

  document.querySelectorAll("#cases th button").forEach((button, column) => {
    button.addEventListener("click", () => {
      const descending = sorted.column === column && !sorted.descending;
      sorted = { column, descending };
      order = data.rows.map((_, at) => at).sort((a, b) => {
        const [one, other] = [data.rows[a][column], data.rows[b][column]];
        if (one === null || other === null) return (one === null) - (other === null) || a - b;
        return (descending ? compare(other, one) : compare(one, other)) || a - b;
      });
      document.querySelectorAll("#cases th").forEach((heading) => heading.removeAttribute("aria-sort"));
      button.parentElement.setAttribute("aria-sort", descending ? "descending" : "ascending");
      filter();
    });
  });
  by("filter").addEventListener("input", filter);
  if (by("outcome")) by("outcome").addEventListener("change", filter);
  by("previous").addEventListener("click", () => { page -= 1; draw(); });
  by("next").addEventListener("click", () => { page += 1; draw(); });
  draw();
})();

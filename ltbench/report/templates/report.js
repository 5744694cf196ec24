"use strict";
(() => {
  const root = document.documentElement;

  // Theme: the system's until the button says otherwise.
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const label = () => {
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to the ${isDark() ? "light" : "dark"} theme`);
  };
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("ltbench-theme", root.dataset.theme); } catch { /* forgotten */ }
    label();
  });
  system.addEventListener("change", label);
  label();

  // Sorting: numbers fall first and texts rise first; what is missing stays at the end.
  const collator = new Intl.Collator("en", { numeric: true });
  const keyOf = (cell, by) => {
    const text = cell.dataset.key ?? cell.dataset[by];
    if (text !== undefined) return Number(text);
    return cell.classList.contains("number") ? null : cell.textContent.trim();
  };
  const sort = (table, column, direction) => {
    const body = table.tBodies[0];
    const keyed = [...body.rows].map((row) => [keyOf(row.cells[column], table.dataset.by), row]);
    const sign = direction === "ascending" ? 1 : -1;
    keyed.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      return sign * (typeof a === "number" ? a - b : collator.compare(a, b));
    });
    body.append(...keyed.map(([, row]) => row));
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    table.dataset.by = "reproduced";
    table.tHead.addEventListener("click", (event) => {
      const head = event.target.closest("th");
      if (!event.target.closest("button")) return;
      const first = head.classList.contains("number") ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const direction = head.getAttribute("aria-sort") === first ? other : first;
      for (const each of head.parentNode.cells) each.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", direction);
      sort(table, head.cellIndex, direction);
    });
  }

  // Filters: a row stays if it has all words and every chosen field.
  for (const form of document.querySelectorAll(".filters")) {
    const table = document.getElementById(form.dataset.for);
    const search = form.querySelector("input[type=search]");
    const fields = [...form.querySelectorAll("[data-field]")];
    const output = form.querySelector("output");
    const fits = (row, field) => {
      const wanted = field.type === "checkbox" ? (field.checked ? "*" : "") : field.value;
      if (wanted === "") return true;
      return wanted === "*" ? "run" in row.dataset : row.dataset[field.dataset.field] === wanted;
    };
    const apply = () => {
      const words = (search?.value ?? "").toLowerCase().split(/\s+/).filter(Boolean);
      const rows = [...table.tBodies[0].rows];
      for (const row of rows) {
        const text = words.length ? row.textContent.toLowerCase() : "";
        row.hidden = !(words.every((word) => text.includes(word)) &&
          fields.every((field) => fits(row, field)));
      }
      const shown = rows.filter((row) => !row.hidden).length;
      if (output) output.textContent = `${shown} of ${rows.length}`;
    };
    form.addEventListener("input", apply);
    apply();
    form.querySelector("[data-sort-by]")?.addEventListener("change", (event) => {
      table.dataset.by = event.target.value;
      const head = table.querySelector("th[aria-sort]");
      if (head) sort(table, head.cellIndex, head.getAttribute("aria-sort"));
    });
  }

  // A link to a group opens it.
  const reveal = () => {
    const group = document.getElementById(location.hash.slice(1))?.closest("details");
    if (group) group.open = true;
  };
  addEventListener("hashchange", reveal);
  reveal();
})();

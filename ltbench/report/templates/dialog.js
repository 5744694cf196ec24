"use strict";
(() => {
  // Records: the link's own group, in a dialog; without this script the link leads to it.
  const dialog = document.getElementById("dialog");
  const body = document.getElementById("dialog-body");
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.records");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    document.getElementById("dialog-title").textContent = link.dataset.about;
    document.getElementById("dialog-note").textContent = link.dataset.note ?? "";
    const seeds = new Set(link.dataset.seeds.split(" "));
    body.replaceChildren();
    for (const key of link.dataset.runs.split(" ")) {
      const group = document.getElementById(key).parentNode.cloneNode(true);
      const title = document.createElement("h3");
      title.textContent = group.querySelector("summary").firstChild.textContent;
      group.querySelector("summary").remove();
      for (const row of group.querySelectorAll("tbody tr")) {
        if (!seeds.has(row.dataset.seed)) row.classList.add("unused");
      }
      body.append(title, ...group.childNodes);
    }
    if (body.querySelector(".unused")) {
      const note = document.createElement("p");
      note.className = "reason";
      note.textContent = "Pale rows are of seeds that this number is not made from.";
      body.append(note);
    }
    dialog.showModal();
    dialog.scrollTop = 0;
  });
  document.getElementById("dialog-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
})();

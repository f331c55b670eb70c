// The page's own script: tables that sort, folds that open for links and for print, a hint where a table is cut.
(() => {
  "use strict";
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // The first number of a cell: signs are printed as −, thousands have commas, and an interval or a remark may follow.
  const numberIn = (text) => {
    const found = text.replaceAll("−", "-").replaceAll(",", "").match(/[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?/i);
    return found ? Number(found[0]) : -Infinity;
  };
  Tablesort.extend("number", () => false, (a, b) => {
    const [first, second] = [numberIn(a), numberIn(b)];
    return first === second ? 0 : second - first;
  });
  for (const table of all("table.sortable")) {
    for (const head of all("thead th", table)) {
      if (!head.classList.contains("text")) head.dataset.sortMethod = "number";
      head.addEventListener("keydown", (event) => {
        if (event.key !== " ") return;
        event.preventDefault();
        head.click();
      });
    }
    new Tablesort(table);
    table.addEventListener("beforeSort", () => table.classList.add("sorted"));
  }

  const reveal = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();
  for (const link of all("nav details a")) link.addEventListener("click", () => { link.closest("details").open = false; });

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = all("main details:not([open])");
    for (const fold of opened) fold.open = true;
  });
  addEventListener("afterprint", () => {
    for (const fold of opened) fold.open = false;
    opened = [];
  });

  const sizes = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const cut = target.scrollWidth > target.clientWidth + 1;
      target.classList.toggle("cut", cut);
      if (cut) target.tabIndex = 0; else target.removeAttribute("tabindex");
    }
  });
  for (const box of all(".scroll")) sizes.observe(box);
})();

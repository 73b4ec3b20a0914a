for (const table of document.querySelectorAll("table.results")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  const number = text => text !== "" && isFinite(text);
  heads.forEach((head, column) => head.addEventListener("click", () => {
    const key = row => row.cells[column].dataset.key, keys = [...body.rows].map(key).filter(text => text !== "");
    const first = keys.every(number) ? "descending" : "ascending", was = head.getAttribute("aria-sort");
    const now = !was ? first : was === "ascending" ? "descending" : "ascending";
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", now);
    body.append(...[...body.rows].sort((a, b) => {
      const x = key(a), y = key(b);
      if (x === "" || y === "") return (x === "") - (y === "");
      return (now === "ascending" ? 1 : -1) * (number(x) && number(y) ? x - y : x.localeCompare(y));
    }));
  }));
}
// What can be scrolled can be reached by the keyboard; what is printed is shown.
const reach = () => document.querySelectorAll(".wide, .broad, section > .pixels").forEach(box =>
  box.scrollWidth > box.clientWidth ? box.tabIndex = 0 : box.removeAttribute("tabindex"));
addEventListener("resize", reach);
document.addEventListener("toggle", reach, true);
reach();
addEventListener("beforeprint", () => document.querySelectorAll("details:not([open])").forEach(each => {
  each.open = true;
  addEventListener("afterprint", () => each.open = false, { once: true });
}));

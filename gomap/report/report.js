// Draws pictures when they come into view or go to paper, filters the table of claims, copies commands. The page can be read
// without it.
"use strict";
(() => {
  document.documentElement.classList.add("js");

  // ---------------------------------------------------------------- pictures

  const tip = document.createElement("div");
  tip.id = "tip";
  tip.hidden = true;
  document.body.append(tip);

  function showTip(handler, event, item, value) {
    tip.hidden = value === null || value === undefined || value === "";
    if (tip.hidden) return;
    tip.textContent = Object.entries(value).map(([name, shown]) => `${name}: ${shown}`).join("\n");
    const left = Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8);
    const below = event.clientY + 14;
    const top = below + tip.offsetHeight > window.innerHeight ? event.clientY - tip.offsetHeight - 14 : below;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${Math.max(8, top)}px`;
  }

  // All data is in the page, so that nothing here waits for more than other promises: a picture that is begun before printing
  // is whole when the page is laid out for paper.
  async function draw(chart) {
    if (chart.dataset.drawn) return;
    chart.dataset.drawn = "begun";
    try {
      const wanted = JSON.parse(chart.parentElement.querySelector("script").textContent);
      await vegaEmbed(chart, wanted, { renderer: "svg", actions: false, defaultStyle: false, tooltip: showTip });
      chart.dataset.drawn = "yes";
    } catch (error) {
      chart.dataset.drawn = "failed";
      chart.parentElement.querySelector("details").open = true;
      console.error(chart.getAttribute("aria-label"), error);
    }
  }

  const charts = document.querySelectorAll(".chart");
  const watcher = new IntersectionObserver((seen) => {
    for (const one of seen) {
      if (!one.isIntersecting) continue;
      watcher.unobserve(one.target);
      draw(one.target);
    }
  }, { rootMargin: "600px 0px" });
  charts.forEach((chart) => watcher.observe(chart));
  window.addEventListener("beforeprint", () => charts.forEach(draw));

  // ---------------------------------------------------------------- the table of claims

  const filters = document.getElementById("filters");
  const rows = [...document.querySelectorAll("#claims-table tbody tr")];

  function filter() {
    const wanted = [...new FormData(filters)].filter(([, value]) => value);
    for (const row of rows) row.hidden = !wanted.every(([name, value]) => row.dataset[name] === value);
    const left = rows.filter((row) => !row.hidden).length;
    filters.querySelector("output").textContent = wanted.length ? `${left} of ${rows.length} claims` : `${rows.length} claims`;
  }

  filters.hidden = false;
  filters.addEventListener("input", filter);
  filters.addEventListener("submit", (event) => event.preventDefault());
  filter();

  // ---------------------------------------------------------------- copying

  async function copy(code, button) {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "copied";
      setTimeout(() => { button.textContent = "copy"; }, 2000);
    } catch {
      getSelection().selectAllChildren(code);  // not allowed here: the user copies what is selected
    }
  }

  for (const code of document.querySelectorAll("code.copy")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "copy";
    const claim = code.closest("section").querySelector("h3").textContent;
    button.setAttribute("aria-label", `copy, ${claim}`);
    button.addEventListener("click", () => copy(code, button));
    (code.closest("pre") ?? code).after(button);
  }
})();

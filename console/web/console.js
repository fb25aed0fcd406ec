// What pages do in the browser beside htmx. Everything here makes a page nicer that works without it.
"use strict";
(() => {
  const me = document.currentScript;
  const cookie = (name, value) => {
    document.cookie = `${name}=${value}; Path=/console/; Max-Age=31536000; SameSite=Strict`;
  };

  // The server writes times in the viewer's zone: it needs to know which.
  cookie("rentroll_zone", Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const theme = () => document.documentElement.dataset.theme || (dark.matches ? "dark" : "light");
  const themed = () => {
    document.documentElement.classList.toggle("is-dark", theme() === "dark");
    document.dispatchEvent(new Event("themed"));
  };
  dark.addEventListener("change", themed);

  const within = (root, selector) => [...(root.matches?.(selector) ? [root] : []), ...root.querySelectorAll(selector)];

  // Charts are drawn from the numbers in data-chart. See chart.js, which pages with charts load.
  const draw = (root) => {
    if (window.drawChart) for (const figure of within(root, "[data-chart]")) window.drawChart(figure);
  };

  document.addEventListener("click", (e) => {
    const at = (selector) => e.target.closest(selector);
    if (at("[data-theme-switch]")) {
      const next = theme() === "dark" ? "light" : "dark";
      document.documentElement.dataset.theme = next;
      cookie("rentroll_theme", next);
      themed();
    }
    const opener = at("[data-opens]");
    if (opener) {
      const dialog = document.getElementById(opener.dataset.opens);
      const filled = dialog.querySelector("[data-filled]"); // one dialog serves all lines of a table
      if (filled && opener.dataset.fill) filled.value = opener.dataset.fill;
      for (const about of dialog.querySelectorAll("[data-about]")) about.textContent = opener.dataset.about;
      dialog.showModal();
      if (filled && opener.dataset.fill) dialog.querySelector("[data-next]")?.focus(); // what is filled in needs no choice any more
    }
    const closer = at("[data-closes]");
    if (closer) closer.closest("dialog")?.close();
    const copier = at("[data-copies]");
    if (copier) {
      const text = document.getElementById(copier.dataset.copies).textContent.trim();
      navigator.clipboard.writeText(text).then(
        () => { copier.dataset.copied = "yes"; copier.lastChild.textContent = " Copied"; },
        () => getSelection().selectAllChildren(document.getElementById(copier.dataset.copies)),
      );
    }
  });

  // A destructive form is armed when its field holds the word that it asks for.
  document.addEventListener("input", (e) => {
    const field = e.target.closest("[data-confirm]");
    if (field) field.form.querySelector("[data-armed]").disabled = field.value.trim() !== field.dataset.confirm;
  });

  // Filters apply as they are chosen. Without a script there is a button.
  document.addEventListener("change", (e) => {
    const form = e.target.closest("form[data-filters]");
    if (form && !e.target.matches("[type=search]")) form.requestSubmit();
    if (e.target.matches("[data-range-end]")) e.target.form.querySelector("[data-range]").value = "custom"; // who says when means it
  });

  // News. What comes takes the place of what is there, element by element, so that focus and selection stay.
  const block = document.getElementById("live");
  const mark = document.getElementById("live-mark");
  const state = (word) => { if (mark) mark.dataset.state = word; };
  const news = ({ event, html }) => {
    if (event === "ended") location.reload();
    if (event === "open") state("on");
    if (event === "lost" || event === "refused") state("off");
    if (event !== "part" || document.querySelector("dialog[open] form")?.contains(document.activeElement) && block.contains(document.activeElement)) return;
    state("on");
    Idiomorph.morph(block, html, {
      morphStyle: "innerHTML", ignoreActiveValue: true,
      callbacks: {
        beforeNodeMorphed: (old, next) => {
          if (!(old instanceof Element) || !old.hasAttribute("data-chart")) return true;
          if (next instanceof Element && next.dataset.chart !== old.dataset.chart) {
            old.dataset.chart = next.dataset.chart;
            draw(old);
          }
          return false;
        },
      },
    });
    htmx.process(block);
    draw(block);
  };

  const follow = (address) => {
    let say;
    if (window.SharedWorker) {
      const worker = new SharedWorker(me.dataset.worker, "rentroll");
      worker.port.onmessage = (e) => news(e.data);
      say = (on) => worker.port.postMessage({ at: on ? address : null });
    } else {
      let stream = null;
      say = (on) => {
        stream?.close();
        stream = null;
        if (!on) return;
        stream = new EventSource("/console/live?at=" + encodeURIComponent(address));
        stream.onopen = () => news({ event: "open" });
        stream.onerror = () => news({ event: "lost" });
        stream.addEventListener("ended", () => news({ event: "ended" }));
        stream.addEventListener("part", (e) => news({ event: "part", html: JSON.parse(e.data).html }));
      };
    }
    const look = () => say(document.visibilityState === "visible");
    document.addEventListener("visibilitychange", look);
    addEventListener("pagehide", () => say(false));
    addEventListener("pageshow", look);
    look();
  };

  themed();
  draw(document.body);
  document.addEventListener("htmx:afterSettle", (e) => draw(e.target));
  if (document.body.dataset.live && block) follow(document.body.dataset.live);
})();

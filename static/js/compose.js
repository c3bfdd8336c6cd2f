// The compose page: steps are answered with the whole page, which is morphed in place, so that focus, folds and scroll
// positions stay. The text's line numbers, the way to a line, the shortcuts, and the warning before leaving.
(() => {
  const page = () => document.getElementById("compose");
  const typed = new Set();    // fields that hold what was typed and not yet sent
  let leaving = false;

  window.htmx.defineExtension("morph", {
    isInlineSwap: (style) => style === "morph",
    handleSwap(style, target, fragment) {
      const next = fragment.querySelector?.("#compose") ?? fragment;
      if (style !== "morph" || next.id !== "compose") return false;
      const beside = chosen(target) !== chosen(next);
      const focused = document.activeElement;
      window.drover.morph(target, next);
      settle(target);
      const asks = target.querySelector("#beside [autofocus]");
      // Whoever goes by keyboard is not sent back to the top of the page when a button has done its work and is gone.
      if (!focused?.isConnected) (asks ?? target.querySelector("[data-node]:has(.chosen)") ?? target.querySelector("[data-node]"))?.focus({ preventScroll: true });
      if (beside) {
        asks?.focus();
        if (window.matchMedia("(max-width: 72rem)").matches) target.querySelector("#beside").scrollIntoView({ block: "start" });
      }
      return [target];
    },
  });

  const chosen = (node) => node.querySelector("#beside [data-key]")?.dataset.key ?? "";

  // What the server says replaces what a field shows, but never what is being typed.
  function settle(root) {
    for (const field of root.querySelectorAll("input:not([type=hidden]), textarea, select")) {
      if (typed.has(field) || field === document.activeElement) continue;
      if (field.type === "radio" || field.type === "checkbox") field.checked = field.defaultChecked;
      else if (field.nodeName === "SELECT") field.selectedIndex = Math.max(0, [...field.options].findIndex((one) => one.defaultSelected));
      else if (field.value !== field.defaultValue) field.value = field.defaultValue;
    }
    number();
    const note = root.querySelector("[data-note][role=status]");
    if (note) document.dispatchEvent(new CustomEvent("drover:toast", { detail: { text: note.dataset.note } }));
  }

  document.addEventListener("input", (event) => { if (event.target.closest("#compose")) typed.add(event.target); });
  document.addEventListener("htmx:configRequest", (event) => {
    const form = event.target.closest?.("form");
    if (form) for (const field of form.elements) if (!waits(field.closest("[data-new]"))) typed.delete(field);
    for (const field of typed) if (!field.isConnected) typed.delete(field);
  });

  // A row of a table is sent once it is left: half a port is nothing. A new one waits for its name, and keeps what was typed.
  const rows = new Set();
  const waits = (row) => Boolean(row) && !row.querySelector("input").value.trim();
  document.addEventListener("change", (event) => {
    const row = event.target.closest("#compose .cells");
    if (row) { event.stopPropagation(); rows.add(row); }
  }, true);
  document.addEventListener("focusout", (event) => {
    const row = event.target.closest("#compose .cells");
    if (!row || row.contains(event.relatedTarget) || !rows.delete(row) || waits(row.closest("[data-new]"))) return;
    row.closest("form").dispatchEvent(new Event("change", { bubbles: true }));
  });

  // Line numbers beside the text; wrong lines are marked.
  function number() {
    const area = document.getElementById("yaml");
    const gutter = document.querySelector("[data-gutter]");
    if (!area || !gutter) return;
    const wrong = new Set([...document.querySelectorAll("#wrongs [data-line]")].map((one) => Number(one.dataset.line)));
    const count = area.value.split("\n").length;
    const lines = document.createDocumentFragment();
    for (let line = 1; line <= count; line += 1) {
      const node = document.createElement(wrong.has(line) ? "b" : "span");
      node.textContent = line;
      lines.append(node);
    }
    gutter.replaceChildren(lines);
    gutter.scrollTop = area.scrollTop;
  }

  function toLine(line, column) {
    const area = document.getElementById("yaml");
    const lines = area.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
    const rest = (lines[line - 1] ?? "").slice(column - 1);
    area.focus();
    area.setSelectionRange(start + column - 1, start + column - 1 + (rest.match(/^[^\s:]*/)?.[0].length || 0));
    area.scrollTop = Math.max(0, (line - 4) * parseFloat(getComputedStyle(area).lineHeight));
    area.scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("DOMContentLoaded", number);
  document.addEventListener("input", (event) => { if (event.target.id === "yaml") number(); });
  document.addEventListener("scroll", (event) => {
    if (event.target.id === "yaml") document.querySelector("[data-gutter]").scrollTop = event.target.scrollTop;
  }, true);
  document.addEventListener("click", (event) => {
    const pointer = event.target.closest("[data-line]");
    if (pointer) setTimeout(() => toLine(Number(pointer.dataset.line), Number(pointer.dataset.column) || 1));
  });

  // Del takes a component off the canvas; Ctrl-S reviews, and never applies.
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s" && page()) {
      event.preventDefault();
      document.activeElement?.blur?.();
      setTimeout(() => document.getElementById("review")?.click(), typed.size ? 600 : 0);
    }
    const node = event.target.closest?.("[data-node]");
    if (node && (event.key === "Delete" || event.key === "Backspace") && page().hasAttribute("data-allowed")) {
      event.preventDefault();
      window.drover.step({ do: "remove", component: node.dataset.node });
    }
  });

  // A step that no form stands for: what was dropped, what was deleted by a key.
  function step(values) {
    const draft = page().querySelector("input[name=draft]").value;
    const view = page().querySelector("input[name=view]").value;
    window.htmx.ajax("POST", page().dataset.href, { source: page(), target: page(), swap: "morph", values: { draft, view, ...values } });
  }
  window.drover = { ...window.drover, step };

  document.addEventListener("htmx:beforeOnLoad", (event) => {
    if (event.detail.xhr.getResponseHeader("HX-Redirect")) leaving = true;
  });
  window.addEventListener("beforeunload", (event) => {
    if (!leaving && page()?.hasAttribute("data-staged")) event.preventDefault();
  });
  document.addEventListener("submit", () => { if (page() && !window.htmx) leaving = true; });
})();

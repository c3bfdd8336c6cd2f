// The keyboard: / filters, Ctrl-K finds anything, ? helps, g then a letter goes, j and k move through rows.
(() => {
  const typing = (target) => target.closest?.("input, textarea, select, [contenteditable]");
  const palette = () => document.getElementById("palette");
  let led = 0;

  function find() {
    const dialog = palette();
    if (!dialog || dialog.open) return;
    dialog.showModal();
    const input = dialog.querySelector("input");
    input.value = "";
    window.htmx?.trigger(input, "search");
    input.focus();
  }

  function move(step) {
    const links = [...document.querySelectorAll("[data-rows] [data-row]")];
    if (!links.length) return;
    const at = links.indexOf(document.activeElement);
    links[Math.min(links.length - 1, Math.max(0, at + step))].focus();
  }

  function go(letter) {
    const link = document.querySelector(`[data-go="${CSS.escape(letter)}"]`);
    if (link) link.click();
    return Boolean(link);
  }

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      find();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) {
      if (event.key === "Escape" && event.target.matches?.("[data-filter]")) event.target.blur();
      return;
    }
    if (document.querySelector("dialog[open]")) return;
    if (Date.now() - led < 1500) {
      led = 0;
      if (go(event.key)) event.preventDefault();
      return;
    }
    const filter = document.querySelector("[data-filter]");
    switch (event.key) {
      case "g": led = Date.now(); break;
      case "/": event.preventDefault(); filter ? (filter.focus(), filter.select()) : find(); break;
      case "?": event.preventDefault(); document.getElementById("help")?.showModal(); break;
      case "j": move(1); break;
      case "k": move(-1); break;
      case "c": document.querySelector("[data-create]")?.click(); break;
    }
  });

  // Arrows in the palette.
  document.addEventListener("keydown", (event) => {
    const dialog = palette();
    if (!dialog?.open) return;
    const links = [...dialog.querySelectorAll(".palette-list a")];
    const at = links.findIndex((link) => link.getAttribute("aria-selected") === "true");
    const choose = (index) => links.forEach((link, place) => {
      link.setAttribute("aria-selected", String(place === index));
      if (place === index) {
        link.scrollIntoView({ block: "nearest" });
        dialog.querySelector("input").setAttribute("aria-activedescendant", link.id);
      }
    });
    if (event.key === "ArrowDown") { event.preventDefault(); choose((at + 1) % links.length); }
    if (event.key === "ArrowUp") { event.preventDefault(); choose((at - 1 + links.length) % links.length); }
    if (event.key === "Enter" && event.target.nodeName === "INPUT") { event.preventDefault(); (links[at] || links[0])?.click(); }
  });
  document.addEventListener("click", (event) => { if (event.target.closest("[data-find]")) find(); });
})();

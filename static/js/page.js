// Small manners of every page: copying, dialogs, toasts, menus, the side bar, secrets on request.
(() => {
  const $ = (id) => document.getElementById(id);

  function toast({ text, tone = "ok" }) {
    const template = $("toast-template");
    if (!template) return;
    const node = template.content.cloneNode(true).firstElementChild;
    node.querySelector(".text").textContent = text;
    const signs = { ok: "check", bad: "cross", warn: "alert", busy: "clock" };
    const use = node.querySelector(".sign use");
    use.setAttribute("href", use.getAttribute("href").replace(/#.*/, `#${signs[tone] || "check"}`));
    node.querySelector(".sign").classList.add(`tone-${tone}`);
    const leave = () => node.remove();
    node.querySelector("button").addEventListener("click", leave);
    const place = $("toasts");
    place.append(node);
    place.hidePopover?.();
    place.showPopover?.(); // on top of whatever was opened since
    if (tone !== "bad") setTimeout(leave, 5000);
  }
  document.addEventListener("drover:toast", (event) => toast(event.detail));
  // Sent by the server in HX-Trigger.
  document.addEventListener("toast", (event) => toast(event.detail));
  document.addEventListener("drover:close", () => $("dialog")?.open && $("dialog").close());

  async function copy(button) {
    let text = button.dataset.copy;
    if (button.dataset.copyFrom) text = $(button.dataset.copyFrom)?.innerText ?? "";
    try { await navigator.clipboard.writeText(text); } catch { if (!copyByHand(text)) return toast({ text: "This browser did not allow copying.", tone: "bad" }); }
    button.classList.add("copied");
    $("said").textContent = "Copied";
    setTimeout(() => button.classList.remove("copied"), 1400);
  }
  // Plain http on an address other than localhost has no clipboard API.
  function copyByHand(text) {
    const area = document.createElement("textarea");
    area.className = "unseen";
    area.value = text;
    (document.querySelector("dialog[open]") || document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }

  document.addEventListener("click", (event) => {
    const copier = event.target.closest("[data-copy], [data-copy-from]");
    if (copier) { event.preventDefault(); copy(copier); return; }
    const opener = event.target.closest("[data-open]");
    if (opener) { $(opener.dataset.open)?.showModal(); return; }
    if (event.target.closest("[data-close]")) { event.target.closest("dialog")?.close(); return; }
    if (event.target.nodeName === "DIALOG") { event.target.close(); return; }
    if (event.target.closest("[data-side]")) { side(); return; }
    const barred = event.target.closest("[aria-disabled='true']");
    if (barred) { event.preventDefault(); event.stopImmediatePropagation(); toast({ text: barred.dataset.why || barred.title, tone: "warn" }); return; }
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
    const step = event.target.closest("[data-step]");
    if (step) {
      const input = step.parentElement.querySelector("input");
      input.value = Math.max(0, (Number(input.value) || 0) + Number(step.dataset.step));
      input.dispatchEvent(new Event("input", { bubbles: true }));
      input.focus();
    }
  }, true);

  function side(open = !$("side").classList.contains("open")) {
    $("side").classList.toggle("open", open);
    $("side-scrim").hidden = !open;
    for (const button of document.querySelectorAll("[data-side]")) button.setAttribute("aria-expanded", String(open));
    if (open) $("side").querySelector("a").focus();
  }
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    if ($("side")?.classList.contains("open")) side(false);
    for (const menu of document.querySelectorAll("details.menu[open]")) { menu.open = false; menu.querySelector("summary").focus(); }
  });

  // The end of an image's name is what changes: it is in sight, and typing replaces it.
  function chooseTag(input) {
    const after = Math.max(input.value.lastIndexOf(":"), input.value.lastIndexOf("@"));
    if (after > input.value.lastIndexOf("/")) input.setSelectionRange(after + 1, input.value.length);
    input.scrollLeft = input.scrollWidth;
  }

  // Dialogs arrive as fragments.
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id === "dialog" && !$("dialog").open) {
      $("dialog").showModal();
      const first = $("dialog").querySelector("[autofocus]");
      first?.focus();
      if (first?.dataset.tag !== undefined) chooseTag(first);
    }
  });
  // What a closed dialog showed is not followed any more.
  document.addEventListener("close", (event) => { if (event.target.id === "dialog") event.target.replaceChildren(); }, true);
  document.addEventListener("htmx:responseError", (event) => {
    const { status, responseText } = event.detail.xhr;
    const said = new DOMParser().parseFromString(responseText, "text/html").querySelector("[data-message]");
    toast({ tone: "bad", text: said?.textContent.trim() || `The server answered ${status}. ${doubt(event)}` });
  });
  document.addEventListener("htmx:sendError", (event) => toast({ tone: "bad", text: `The server could not be reached. ${doubt(event)}` }));
  // A line may break on the way back, when the deed is done.
  function doubt(event) {
    return event.detail.requestConfig?.verb === "get" ? "Try again in a moment." : "See whether it was done before you try again.";
  }
  document.addEventListener("htmx:configRequest", (event) => {
    const token = document.querySelector("meta[name='csrf']")?.content;
    if (token) event.detail.headers["X-CSRFToken"] = token;
  });

  // Selects that act at once belong to forms that ask again.
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-auto]");
    if (form && event.target.matches("select, input[type='checkbox']")) form.requestSubmit();
  });
  // A form that carries empty fields makes an ugly address: leave them out.
  document.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.verb !== "get") return;
    const data = event.detail.formData || event.detail.parameters;
    for (const [name, value] of [...data.entries?.() || []]) if (value === "") data.delete(name);
  });
})();

// Forms made of parameters: a question shows once the others have the values it asks for.
(() => {
  function value(form, name) {
    const field = form.elements.namedItem(`p-${name}`);
    if (!field) return "";
    return field.type === "checkbox" ? String(field.checked) : field.value;
  }

  function settle(form) {
    // Twice: a question that hides may hide those that ask for it.
    for (let pass = 0; pass < 2; pass += 1) {
      for (const field of form.querySelectorAll("[data-asks]")) {
        const asked = field.dataset.asks.split(";").filter(Boolean).map((pair) => pair.split("="));
        const hidden = asked.some(([name, wanted]) => {
          const other = form.querySelector(`[id="p-${CSS.escape(name)}"]`);
          return value(form, name) !== wanted || Boolean(other?.closest("[data-asks]")?.hidden);
        });
        field.hidden = hidden;
      }
    }
  }

  const all = () => document.querySelectorAll("form[data-questions]").forEach(settle);
  document.addEventListener("DOMContentLoaded", all);
  document.addEventListener("htmx:afterSettle", all);
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-questions]");
    if (form) settle(form);
  });
})();

// Runs before the first paint: the theme and density this browser was told to use.
(() => {
  const root = document.documentElement;
  const kept = (name) => {
    try { return localStorage.getItem(name); } catch { return null; }
  };
  const apply = () => {
    for (const name of ["theme", "density"]) {
      const value = kept(`drover.${name}`);
      if (value) root.dataset[name] = value;
      else delete root.dataset[name];
    }
  };
  apply();

  const mark = () => {
    for (const button of document.querySelectorAll("[data-set]")) {
      const [name, value] = button.dataset.set.split(":");
      button.setAttribute("aria-pressed", String((kept(`drover.${name}`) ?? "") === value));
    }
  };
  document.addEventListener("DOMContentLoaded", mark);
  window.addEventListener("storage", () => { apply(); mark(); });
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-set]");
    if (!button) return;
    const [name, value] = button.dataset.set.split(":");
    try {
      if (value) localStorage.setItem(`drover.${name}`, value);
      else localStorage.removeItem(`drover.${name}`);
    } catch { root.dataset[name] = value; }
    apply();
    mark();
  });
})();

// Light, dark, or what the system says: applied before anything is drawn, so that nothing flashes.
(() => {
  const KEY = "underway-theme";
  const ORDER = ["system", "light", "dark"];

  function kept() {
    try {
      const found = localStorage.getItem(KEY);
      return ORDER.includes(found) ? found : "system";
    } catch {
      return "system";
    }
  }

  function apply(theme) {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }

  let theme = kept();
  apply(theme);
  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    button.textContent = `Theme: ${theme}`;
    button.addEventListener("click", () => {
      theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
      apply(theme);
      button.textContent = `Theme: ${theme}`;
      try {
        localStorage.setItem(KEY, theme);
      } catch {
        // It holds for this page, then.
      }
    });
  });
})();

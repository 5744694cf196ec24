// In the head, so that the page never flashes in the other theme.
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  let theme = null;
  try { theme = localStorage.getItem("ltbench-theme"); } catch { /* no storage: the system's */ }
  if (theme === "dark" || theme === "light") root.dataset.theme = theme;
})();

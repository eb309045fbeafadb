/* Sets the chosen appearance before the first paint; without a choice the system's holds. */
(() => {
  try {
    const theme = localStorage.getItem('suan.theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch {
    /* No storage: the system's appearance. */
  }
})();

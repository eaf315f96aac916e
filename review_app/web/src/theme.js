// Loaded before the page is painted, so that a light page never flashes dark.
const wanted = localStorage.getItem("theme");
if (wanted === "light" || wanted === "dark") document.documentElement.dataset.theme = wanted;

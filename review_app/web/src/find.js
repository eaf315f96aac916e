// Drop any file on the page: its recipe is looked for by its content.

export function watchFind() {
  const form = document.querySelector("[data-find]");
  if (!form) return;
  const field = form.querySelector("input[type=file]");
  const over = (on) => form.classList.toggle("over", on);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    over(true);
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget === null && over(false));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    if (!event.dataTransfer?.files.length) return;
    field.files = event.dataTransfer.files;
    field.dispatchEvent(new Event("change", { bubbles: true }));
  });
}

// Opens the 3D viewer on the page of a shot, where this build has one.
const element = document.querySelector("[data-previz]");
const { open } = await import(element.dataset.module);
await open(element, JSON.parse(document.getElementById(element.dataset.previz).textContent));

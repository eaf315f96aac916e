// Forms that stay on their page: sent in the background with the session's token, and answered in words beside them.

const token = () => document.querySelector("meta[name=csrf]")?.content ?? "";

/** Send a form or fields. Returns what the server says, {said, ...}; throws an Error in its words where it refuses. */
export async function send(address, body) {
  const fields = body instanceof FormData ? body : new URLSearchParams(body);
  let answer;
  try {
    answer = await fetch(address, { method: "POST", body: fields, headers: { accept: "application/json", "x-csrf": token() } });
  } catch {
    throw new Error("The review app can't be reached; nothing was sent. Try again.");
  }
  if (answer.status === 401) {
    location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
    throw new Error("Log in again.");
  }
  const told = await answer.json().catch(() => null);
  if (answer.ok && told) return told;
  throw new Error(told ? `${capital(told.problem)}: ${told.mend}.` : "This page is too old: load it again.");
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Fields of a form as they are sent; files only where there are any, because then it is sent in parts. */
function fieldsOf(form, button) {
  const fields = new FormData(form, button);
  return form.querySelector("input[type=file]") ? fields : [...fields];
}

async function submitted(event) {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || !form.matches("[data-send]")) return;
  event.preventDefault();
  if (form.dataset.busy) return;
  const told = form.querySelector("[data-told]");
  const button = event.submitter;
  if (told) told.textContent = "";
  form.dataset.busy = "yes";
  try {
    const said = await send(form.getAttribute("action"), fieldsOf(form, button));
    form.dispatchEvent(new CustomEvent("sent", { bubbles: true, detail: said }));
    if (form.dataset.send === "go" || !form.dataset.send) location.assign(said.back ?? form.elements.back?.value ?? location.href);
  } catch (error) {
    if (told) told.textContent = error.message;
  } finally {
    delete form.dataset.busy;
  }
}

export function watchForms() {
  document.addEventListener("submit", submitted);
  document.body.addEventListener("htmx:configRequest", (event) => {
    event.detail.headers["X-CSRF"] = token();
  });
}

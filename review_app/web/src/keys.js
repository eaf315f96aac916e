// One handler for every key. The table comes from the page, which has it from review_app/keys.py.

const doing = new Map();

/** Say what actions do: {"play": () => ...}. Later words replace earlier ones. */
export function handle(actions) {
  for (const [action, work] of Object.entries(actions)) doing.set(action, work);
}

/** Every action that something on this page does. */
export function handled() {
  return [...doing.keys()];
}

/** Do what an action says. Returns whether anybody does it here. */
export function act(action) {
  const work = doing.get(action);
  if (work) work();
  return Boolean(work);
}

const TYPING = "input:not([type=radio]):not([type=checkbox]):not([type=file]), textarea, select, [contenteditable]";
const CHOOSING = "input[type=radio]";
const PRESSED = "button, a, summary, input[type=checkbox], input[type=file]";

function belongsToField(event) {
  const at = event.target;
  if (!(at instanceof Element) || event.key === "Escape") return false;
  if (at.closest(TYPING)) return true;
  if (at.closest(CHOOSING)) return event.key.startsWith("Arrow") || event.key === " ";
  return Boolean(at.closest(PRESSED)) && (event.key === " " || event.key === "Enter");
}

export function listen(table) {
  const byKey = new Map();
  for (const { key, action } of table) byKey.set(key, [...(byKey.get(key) ?? []), action]);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || belongsToField(event)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const named = event.shiftKey && key.startsWith("Arrow") ? `Shift+${key}` : key;
    for (const action of byKey.get(named) ?? []) {
      if (act(action)) {
        event.preventDefault();
        return;
      }
    }
  });
}

// What was dragged in 3D, handed back: the lines of the shot's file that would change, and the author's click.

/** element: of the viewer, with its `previz`. address: where changes are shown; below it, `/accept` writes them. */
export function handBack(element, address) {
  const bar = document.getElementById("edit-bar");
  const dialog = document.getElementById("edit");
  const part = (name) => document.querySelector(`[data-edit="${name}"]`);
  const status = bar.querySelector("[role=status]");
  const [show, accept] = [part("show"), part("accept")];
  const forbidden = accept.disabled;
  let changes = [];
  let shown = null;

  element.addEventListener("previz:edit", ({ detail }) => {
    changes = detail.changes;
    count();
  });
  show.addEventListener("click", () => working(look));
  accept.addEventListener("click", () => working(write));
  part("leave").addEventListener("click", () => dialog.close());

  function count() {
    show.disabled = changes.length === 0;
    const said = changes.length === 1 ? "One change is" : `${changes.length} changes are`;
    status.textContent = changes.length ? `${said} proposed; the file stands as it was.` : "Nothing is changed.";
  }

  async function look() {
    shown = await ask(address, { changes });
    part("file").textContent = shown.file;
    part("problems").replaceChildren(...shown.problems.map(inWords));
    part("diff").replaceChildren(...shown.diff.split("\n").slice(2).filter(Boolean).map(line));
    accept.disabled = forbidden || shown.problems.length > 0 || shown.diff === "";
    dialog.showModal();
  }

  async function write() {
    const { changes: asked, made_from_sha256 } = shown;
    const written = await ask(`${address}/accept`, { changes: asked, made_from_sha256 });
    dialog.close();
    changes = [];
    count();
    const shot = written.previz.shot;
    status.textContent = `Written to ${written.file}. Its pictures are made anew by: film run --shots ${shot}`;
    await element.previz.update(written.previz);
    element.previz.focus();
  }

  /** Do one thing at a time, and say what stops it. */
  async function working(what) {
    if (bar.ariaBusy === "true") return;
    bar.ariaBusy = "true";
    try {
      await what();
    } catch (error) {
      if (dialog.open) part("problems").replaceChildren(inWords({ problem: error.message, mend: "" }));
      else status.textContent = error.message;
    } finally {
      bar.ariaBusy = "false";
    }
  }
}

async function ask(address, asked) {
  // A write carries the token of its session.
  const token = document.querySelector("meta[name=csrf]")?.content ?? "";
  const answer = await fetch(address, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRF": token },
    body: JSON.stringify(asked),
  });
  const told = answer.headers.get("content-type")?.startsWith("application/json") ? await answer.json() : null;
  if (answer.ok && told) return told;
  throw new Error(told ? sentence(told) : `The review app refused it (${answer.status}).`);
}

function sentence({ problem, mend, field = "", line = null }) {
  const place = line ? `line ${line}, ` : "";
  return `${field ? `${place}${field}: ` : ""}${problem}${mend ? ` (${mend})` : ""}.`;
}

function inWords(problem) {
  const item = document.createElement("li");
  item.textContent = sentence(problem);
  return item;
}

function line(text) {
  const kinds = { "+": "ins", "-": "del", "@": "i" };
  const row = document.createElement(kinds[text[0]] ?? "span");
  row.textContent = `${text}\n`;
  return row;
}

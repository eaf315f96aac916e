// Long pages in blocks: only what is near the window is in the page, the rest is as tall as it is going to be.

const NEAR = "1200px 0px";
const EMPTIED_FURTHER_THAN = 2400;

function far(block) {
  const box = block.getBoundingClientRect();
  return box.bottom < -EMPTIED_FURTHER_THAN || box.top > innerHeight + EMPTIED_FURTHER_THAN;
}

class Wall {
  constructor(element) {
    this.element = element;
    this.loading = new Map();
    this.blocks = [...element.querySelectorAll("[data-block]")];
    this.filled = new Set(this.blocks.filter((block) => block.firstElementChild));
    for (const block of this.blocks) if (!this.filled.has(block)) block.style.height = `${block.dataset.height}px`;
    this.near = new IntersectionObserver((entries) => this.see(entries), { rootMargin: NEAR });
    for (const block of this.blocks) this.near.observe(block);
    document.body.addEventListener("changed", () => this.refresh());
  }

  see(entries) {
    for (const { target, isIntersecting } of entries) {
      target.dataset.near = isIntersecting ? "yes" : "";
      if (isIntersecting) this.fill(target);
      else this.loading.get(target)?.abort();
    }
    for (const block of this.filled) if (!block.dataset.near && far(block)) this.empty(block);
  }

  empty(block) {
    if (block.contains(document.activeElement)) return;
    block.style.height = `${block.getBoundingClientRect().height}px`;
    block.replaceChildren();
    this.filled.delete(block);
  }

  async fill(block, again = false) {
    if (this.loading.has(block) || (block.firstElementChild && !again)) return;
    const stop = new AbortController();
    this.loading.set(block, stop);
    try {
      const answer = await fetch(block.dataset.block, { signal: stop.signal });
      if (!answer.ok) throw new Error(`${answer.status}`);
      const focused = block.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
      const part = document.createRange().createContextualFragment(await answer.text());
      block.replaceChildren(part);
      this.filled.add(block);
      block.style.height = "";
      if (focused) block.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    } catch (error) {
      if (error.name !== "AbortError") block.replaceChildren(Object.assign(document.createElement("p"), {
        className: "problem", textContent: "This part can't be loaded. Scroll away and back to try again.",
      }));
    } finally {
      this.loading.delete(block);
    }
  }

  refresh() {
    for (const block of this.blocks) if (block.dataset.near) this.fill(block, true);
  }
}

for (const element of document.querySelectorAll("[data-wall]")) element.wall = new Wall(element);

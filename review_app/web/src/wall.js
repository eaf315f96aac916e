// Long pages in blocks: only what is near the window is in the page, the rest is as tall as it is going to be.

const NEAR = "1200px 0px";
const EMPTIED_FURTHER_THAN = 6000;

class Wall {
  constructor(element) {
    this.element = element;
    this.loading = new Map();
    this.blocks = [...element.querySelectorAll("[data-block]")];
    for (const block of this.blocks) if (!block.firstElementChild) block.style.height = `${block.dataset.height}px`;
    this.near = new IntersectionObserver((entries) => this.see(entries), { rootMargin: NEAR });
    for (const block of this.blocks) this.near.observe(block);
    document.body.addEventListener("changed", () => this.refresh());
  }

  see(entries) {
    for (const { target, isIntersecting, boundingClientRect: box } of entries) {
      target.dataset.near = isIntersecting ? "yes" : "";
      if (isIntersecting) this.fill(target);
      else if (box.bottom < -EMPTIED_FURTHER_THAN || box.top > innerHeight + EMPTIED_FURTHER_THAN) this.empty(target);
    }
    if (entries.some((entry) => !entry.isIntersecting)) this.emptyFar();
  }

  emptyFar() {
    for (const block of this.blocks) {
      if (!block.firstElementChild || block.dataset.near) continue;
      const box = block.getBoundingClientRect();
      if (box.bottom < -EMPTIED_FURTHER_THAN || box.top > innerHeight + EMPTIED_FURTHER_THAN) this.empty(block);
    }
  }

  empty(block) {
    if (!block.firstElementChild || block.contains(document.activeElement)) return;
    block.style.height = `${block.getBoundingClientRect().height}px`;
    block.replaceChildren();
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

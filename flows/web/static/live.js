// Looks again by itself: asks for a short stamp, and when it is another one, takes the changed parts of the page over.
// A part that somebody is typing in stays as it is until they are done. When nothing answers, the page says that it may be old.
// Without this script every page works; reload it by hand.
"use strict";
(() => {
  const main = document.querySelector("main[data-live]");
  if (!main) return;
  let stamp = main.dataset.stamp;
  let waits = 2000;

  const inUse = (part) =>
    part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea, button, summary")
    || [...part.querySelectorAll("input:not([type=hidden]), textarea")].some((field) =>
      field.type === "checkbox" ? field.checked !== field.defaultChecked : field.value !== field.defaultValue);

  // What is the same stays the same node, so that a click, the focus and an opened detail are not lost.
  const morph = (old, next) => {
    if (old.isEqualNode(next)) return;
    if (old.nodeType !== 1 || old.tagName !== next.tagName) return old.replaceWith(next.cloneNode(true));
    for (const { name } of [...old.attributes]) if (name !== "open" && !next.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of next.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    if (old.childNodes.length !== next.childNodes.length) {
      const open = [...old.querySelectorAll("details")].map((d) => d.open);
      old.replaceChildren(...[...next.childNodes].map((child) => child.cloneNode(true)));
      old.querySelectorAll("details").forEach((d, i) => { d.open = Boolean(open[i]); });
      return;
    }
    [...old.childNodes].forEach((child, i) => morph(child, next.childNodes[i]));
  };

  const take = (fresh) => {
    let all = true;
    for (const part of document.querySelectorAll("[data-part]")) {
      const next = fresh.getElementById(part.id);
      if (!next) { part.replaceChildren(); continue; }
      if (next.isEqualNode(part)) continue;
      if (inUse(part)) { all = false; continue; }
      morph(part, next);
    }
    return all;
  };

  const missing = (fresh) => [...fresh.querySelectorAll("[data-part]")].some((part) => !document.getElementById(part.id));

  const lost = document.getElementById("lost");

  const look = async () => {
    try {
      const answer = await fetch(main.dataset.live, { cache: "no-store" });
      if (answer.redirected || answer.status === 401) return location.reload();
      if (!answer.ok) throw new Error(answer.statusText);
      const now = await answer.text();
      if (now !== stamp) {
        const page = await fetch(location.href, { cache: "no-store" });
        if (page.redirected || page.status === 401) return location.reload();
        if (!page.ok) throw new Error(page.statusText);  // an error's page has none of our parts: it would empty this one
        const fresh = new DOMParser().parseFromString(await page.text(), "text/html");
        if (missing(fresh)) return location.reload();
        if (take(fresh)) stamp = now;
      }
      waits = 2000;
      lost.hidden = true;
    } catch {
      lost.hidden = waits < 4000;  // once may be a hiccup
      waits = Math.min(waits * 2, 30000);
    }
    setTimeout(look, document.hidden ? 10000 : waits);
  };
  setTimeout(look, waits);
})();

// Elements from a tag, attributes and children; text always becomes text, never markup.

function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style")
      for (const [key, to] of Object.entries(value)) node.style.setProperty(key, to);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

const byId = (id) => document.getElementById(id);
const unseen = (...text) => h("span", { class: "unseen" }, ...text);

/** Say something to a screen reader once the reader has come to rest. */
const announce = (() => {
  let timer = 0;
  return (text) => {
    clearTimeout(timer);
    timer = setTimeout(() => (byId("live").textContent = text), 120);
  };
})();

/**
 * Arrow keys, Home and End move the focus among `items()`, of which one can be tabbed to.
 * `chosen(index)` hears of each move.
 */
function roving(container, items, chosen, { vertical = false } = {}) {
  const [back, on] = vertical ? ["ArrowUp", "ArrowDown"] : ["ArrowLeft", "ArrowRight"];
  container.addEventListener("keydown", (event) => {
    const all = items();
    const at = all.indexOf(document.activeElement);
    if (at < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const to = { [back]: at - 1, [on]: at + 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const next = Math.min(Math.max(to, 0), all.length - 1);
    all[next].focus();
    chosen(next);
  });
}

const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

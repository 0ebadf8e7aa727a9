// The module tree, in the order of the forward: arrows walk it, Enter opens a node.

const treeItems = new Map(); // number of a call -> its row

function moduleTree() {
  const tree = h("ul", {
    role: "tree",
    class: "tree",
    "aria-label": "Modules in the order of the forward",
  });
  const build = (items, level) =>
    items.map((item) => {
      const call = item.call === null ? null : page.calls[item.call];
      const parent = item.children.length > 0;
      const group = parent ? h("ul", { role: "group" }, build(item.children, level + 1)) : null;
      const row = h(
        "div",
        { class: "tree-row", style: { "--level": level } },
        h("span", { class: "twist", "aria-hidden": "true" }, parent ? "▾" : ""),
        h(
          "span",
          { class: "tree-name" },
          h("span", { class: "tree-label" }, item.name),
          call.use && twice(call) ? h("span", { class: "tree-use" }, ` ${call.use}`) : null,
        ),
        call.error ? errorDot(call.error) : null,
        h("span", { class: "tree-step", "aria-hidden": "true" }),
      );
      const node = h(
        "li",
        {
          role: "treeitem",
          class: "tree-item",
          tabindex: -1,
          "aria-selected": "false",
          "aria-level": level + 1,
          "aria-expanded": parent ? "true" : null,
          "aria-label": `${item.name}${call.use ? ` ${call.use}` : ""}, ${call.kind}`,
        },
        row,
        group,
      );
      row.addEventListener("click", (event) => {
        event.stopPropagation();
        if (event.target.classList.contains("twist") && parent) toggle(node);
        else openCall(item.call);
        node.focus();
      });
      treeItems.set(item.call, node);
      return node;
    });
  tree.append(...build(page.tree, 0));
  tree.querySelector("[role=treeitem]").tabIndex = 0;
  tree.addEventListener("keydown", treeKeys);
  return tree;
}

/** The last of the calls below one: they are in the order of the forward, as it began. */
const lastBelow = (() => {
  const last = new Map();
  const visit = (item) =>
    last
      .set(item.call, item.children.reduce((_, child) => visit(child), item.call))
      .get(item.call);
  page.tree.forEach(visit);
  return (id) => last.get(id);
})();

const twice = (call) => page.calls.some((other) => other !== call && other.path === call.path);

function toggle(node, open = node.getAttribute("aria-expanded") !== "true") {
  node.setAttribute("aria-expanded", String(open));
  node.querySelector(".twist").textContent = open ? "▾" : "▸";
}

function treeKeys(event) {
  const node = document.activeElement.closest("[role=treeitem]");
  if (!node || event.altKey || event.ctrlKey || event.metaKey) return;
  const shown = [...event.currentTarget.querySelectorAll("[role=treeitem]")].filter(
    (item) => item.offsetParent !== null,
  );
  const at = shown.indexOf(node);
  const open = node.getAttribute("aria-expanded");
  const above = node.parentElement.closest("[role=treeitem]");
  const focus = (item) => {
    if (!item) return;
    for (const other of shown) other.tabIndex = -1;
    item.tabIndex = 0;
    item.focus();
  };
  const acts = {
    ArrowDown: () => focus(shown[at + 1]),
    ArrowUp: () => focus(shown[at - 1]),
    Home: () => focus(shown[0]),
    End: () => focus(shown.at(-1)),
    ArrowRight: () =>
      open === "false" ? toggle(node, true) : open === "true" ? focus(shown[at + 1]) : null,
    ArrowLeft: () => (open === "true" ? toggle(node, false) : focus(above)),
    Enter: () => openCall(callOf(node)),
    " ": () => openCall(callOf(node)),
  };
  if (!acts[event.key]) return;
  event.preventDefault();
  event.stopPropagation();
  acts[event.key]();
}

const callOf = (node) => [...treeItems].find(([, item]) => item === node)[0];

/** Show in the tree which call is open, and which the pass has already been through. */
function markTree(call, pass, at) {
  for (const [id, node] of treeItems) {
    const here = id === call;
    const order = page[pass].indexOf(id);
    node.setAttribute("aria-selected", String(here));
    node.classList.toggle("here", here);
    node.classList.toggle("done", order >= 0 && order < at);
    node.tabIndex = here ? 0 : -1;
    node.querySelector(".tree-step").textContent = order >= 0 ? order + 1 : "";
  }
  const node = treeItems.get(call);
  for (
    let above = node.parentElement.closest("[role=treeitem]");
    above;
    above = above.parentElement.closest("[role=treeitem]")
  )
    toggle(above, true);
  const box = node.closest(".tree-box");
  const row = node.querySelector(".tree-row");
  const top = row.offsetTop - box.offsetTop;
  if (top < box.scrollTop + 40 || top > box.scrollTop + box.clientHeight - 60)
    box.scrollTop = top - box.clientHeight / 2;
}

function errorDot([forward, gradient]) {
  const right = forward !== null && gradient !== null && Math.max(forward, gradient) <= 4;
  return h(
    "span",
    {
      class: `dot ${right ? "right" : "off"}`,
      "aria-hidden": "true",
      title: `error ${number(forward)} forward, ${number(gradient)} gradient`,
    },
    right ? "" : "!",
  );
}

/** What the signs beside the names mean. */
function treeKey() {
  return h(
    "p",
    { class: "tree-key" },
    "Numbers: the steps of this pass; ✓ done.",
    page.measured
      ? [h("br"), errorDot([0, 0]), " within rounding of PyTorch, ", errorDot([9, 9]), " not."]
      : null,
  );
}

// The drawing's graph: of a call that is made of others, what is in it and how it is joined.

const PORT = "in:"; // before the name of an input of the call around

/** Numbers of the calls that a call makes, in order; `null` stands for what is outside of all. */
const childrenOf = (() => {
  const found = new Map([["", page.tree.map((item) => item.call)]]);
  const visit = (item) => {
    found.set(item.call, item.children.map((child) => child.call));
    item.children.forEach(visit);
  };
  page.tree.forEach(visit);
  return (id) => found.get(id ?? "");
})();
const callerOf = new Map();
for (const { id } of page.calls) for (const child of childrenOf(id)) callerOf.set(child, id);
const itemNames = new Map();
(function name(items) {
  for (const item of items) {
    itemNames.set(item.call, item.name);
    name(item.children);
  }
})(page.tree);

/** The first input of a call is the one that it stands above in the drawing; others come from aside. */
const mainInput = (id) => page.calls[id].tensors.find((tensor) => tensor.role === "input")?.name;

/**
 * The inside of a call: `nodes` in the order of the forward, `links` between them, from `PORT` names
 * and to "y", and `aside`, the links into a part that is drawn open by an input that is not its first.
 */
const graphOf = (() => {
  const known = new Map();
  return (id) => {
    if (!known.has(id)) known.set(id, makeGraph(id));
    return known.get(id);
  };
})();

function makeGraph(id) {
  const children = childrenOf(id);
  const inside = new Set(children.map(String));
  const named = (end) => (inside.has(String(end)) ? Number(end) : end);
  const isNode = (end) => typeof end === "number" || /^([+*]|\.{3})/.test(end);
  const all = (page.wiring[id ?? ""] ?? []).map(([source, target, argument, seen]) => ({
    source: isNode(named(source)) ? named(source) : PORT + source,
    target: named(target),
    argument,
    seen,
  }));
  const aside = all.filter(
    ({ target, argument }) =>
      typeof target === "number" && childrenOf(target).length && argument !== mainInput(target),
  ).filter((link) => !isMask(link));
  const links = all.filter((link) => !aside.includes(link) && !isMask(link));
  const nodes = [];
  const add = (node) => isNode(node) && !nodes.includes(node) && nodes.push(node);
  // A sum comes as soon as both of its terms are there.
  const ready = () => {
    for (const { target } of links) {
      if (typeof target === "number" || !isNode(target) || nodes.includes(target)) continue;
      const terms = links.filter((link) => link.target === target);
      if (terms.every(({ source }) => !isNode(source) || nodes.includes(source))) add(target);
    }
  };
  ready();
  const gaps = links.flatMap(({ source, target }) => [source, target]).filter((end) => /^\.{3}/.test(end));
  for (const child of children) {
    for (const { source, target } of links)
      if (target === child && gaps.includes(source)) add(source);
    add(child);
    ready();
  }
  gaps.forEach(add);
  return { nodes, links, aside, skips: skipsOf(nodes, links) };
}

/** Whether what comes in are integers or a mask beside real numbers: nothing flows there. */
function isMask({ source, target, argument }) {
  if (typeof target !== "number" || !String(source).startsWith(PORT)) return false;
  const inputs = page.calls[target].tensors.filter(({ role }) => role === "input");
  const whole = ({ value }) => page.arrays[value].type === "i32";
  const read = inputs.find(({ name }) => name === argument);
  return Boolean(read) && whole(read) && inputs.some((input) => !whole(input));
}

/** All that an end is made of, itself among it. */
function ancestors(end, links) {
  const found = new Set([end]);
  for (const one of found)
    for (const { source, target } of links) if (target === one) found.add(source);
  return found;
}

/** Sums of which one term is what the other was made of: residuals, with the nodes of the branch. */
function skipsOf(nodes, links) {
  const skips = new Map();
  for (const sum of nodes.filter((node) => String(node).startsWith("+"))) {
    const terms = links.filter(({ target }) => target === sum).map(({ source }) => source);
    for (const [around, branch] of [terms, [...terms].reverse()]) {
      const made = ancestors(branch, links);
      if (terms.length !== 2 || around === branch || !made.has(around)) continue;
      const before = ancestors(around, links);
      skips.set(sum, { around, branch, nodes: nodes.filter((n) => made.has(n) && !before.has(n)) });
    }
  }
  return skips;
}

/** Whether a call is drawn as its branch and its sum, without a frame: a residual. */
const isBranch = (id) => childrenOf(id).length > 0 && graphOf(id).skips.size === 1;

/** Whether a part is only what the residual stream goes through: the model, a stack, a layer. */
const isStream = (id) =>
  isBranch(id) || childrenOf(id).some((child) => childrenOf(child).length > 0 && isStream(child));

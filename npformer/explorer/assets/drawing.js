// The model as a drawing: the residual stream from below to above, with its branches, in which a
// part that is made of others can be opened. Arrows walk it, Enter opens a node.

const drawn = { opened: new Map(), at: new Map(), items: [] };

const svg = (tag, attributes = {}, ...children) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== null && value !== undefined && value !== false)
      name.startsWith("on")
        ? node.addEventListener(name.slice(2), value)
        : node.setAttribute(name, value);
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
};

/** The last of the calls below one: they are in the order of the forward, as it began. */
function lastBelow(id) {
  const children = childrenOf(id);
  return children.length ? lastBelow(children.at(-1)) : id;
}

const holds = (id, call) => call >= id && call <= lastBelow(id);

/** As the reader left it; else the parts around the open node, and the stream where it is short. */
function isOpen(id) {
  if (!childrenOf(id).length) return false;
  if (isBranch(id)) return true;
  if (drawn.opened.has(id)) return drawn.opened.get(id);
  const beside = childrenOf(callerOf.get(id)).filter((other) => childrenOf(other).length);
  return holds(id, chosen.call) || (isStream(id) && beside.length <= 3);
}

/** The size of a node, and of what is in it where it is open. */
function boxOf(node) {
  if (typeof node !== "number")
    return /^[+*]/.test(node)
      ? { w: 2 * SUM, h: 2 * SUM, inX: SUM, outX: SUM }
      : { w: 30, h: 14, inX: 15, outX: 15 };
  if (!isOpen(node)) return closedBox(node);
  const inside = insideOf(node);
  if (isBranch(node)) return { ...inside, inside, pad: 0 };
  const pad = 8;
  const w = Math.max(inside.w + 2 * pad, textWidth(labelOf(node)) + 30);
  const left = (w - inside.w) / 2;
  return { w, h: inside.h + 20, inX: left + inside.inX, outX: left + inside.outX, inside, pad: left };
}

function insideOf(id) {
  const graph = graphOf(id);
  const boxes = new Map(graph.nodes.map((node) => [node, boxOf(node)]));
  const layout = graph.skips.size
    ? onStream(graph, boxes)
    : inRows(graph.nodes, graph.links, boxes, graph.aside.length ? 26 : 9);
  return { ...layout, boxes };
}

const textWidth = (text) => 6.1 * text.length;

function closedBox(id) {
  const call = page.calls[id];
  const lines = notesOf(id);
  const wide = Math.max(textWidth(labelOf(id)) + (call.step ? 22 : 12), ...lines.map(({ w }) => w));
  const w = Math.max(44, wide + 14);
  return { w, h: 24 + 12 * lines.length, inX: w / 2, outX: w / 2, lines };
}

/** "self-attention" of "self_attn": a part's name as a word, and which of several calls it is. */
function labelOf(id) {
  const call = page.calls[id];
  const name = words(itemNames.get(id)).replace(" projection", " proj");
  return call.use && twice(call) ? `${name} ${call.use}` : name;
}

const twice = (call) => page.calls.some((other) => other !== call && other.path === call.path);

/** What a closed part is worth saying of: what attention may see, and which ones a token chooses. */
function notesOf(id) {
  if (isStream(id) && childrenOf(id).length) return [];
  const inside = page.calls.slice(id, lastBelow(id) + 1);
  const attends = inside.find((call) => call.tensors.some(({ name }) => name === "probs"));
  const { causal, window: width } = attends?.settings ?? {};
  const seen = [causal && "causal", width && `window ${width}`].filter(Boolean).join(", ");
  const picks = inside.map(picksOf).find(Boolean);
  return [
    seen ? { text: seen, w: 5.6 * seen.length } : null,
    picks ? { picks, w: 6 * Math.min(picks.of, 16) } : null,
  ].filter(Boolean);
}

/** Of a call that reads for each token integers below the width of another input: which ones. */
function picksOf(call) {
  const inputs = call.tensors.filter((t) => t.role === "input").map((t) => [t, page.arrays[t.value]]);
  for (const [tensor, entry] of inputs) {
    const [rows, k] = entry.shape;
    if (entry.type !== "i32" || entry.shape.length !== 2 || entry.block[0] > 1) continue;
    const among = inputs.find(
      ([other, { type, shape }]) =>
        other !== tensor && type === "f16" && shape.length === 2 && shape[0] === rows && shape[1] > k,
    );
    const at = chosenToken(tensor.side) ?? chosen.target;
    if (!among || at >= rows || among[1].shape[1] <= entry.max) continue;
    return { of: among[1].shape[1], at: [...values(entry).slice(at * k, (at + 1) * k)] };
  }
  return null;
}

/** Draw the model anew; the focus stays where it was. */
function drawModel() {
  const box = byId("model");
  const focused = box.contains(document.activeElement)
    ? Number(document.activeElement.dataset.call)
    : null;
  drawn.at.clear();
  drawn.items = [];
  const whole = insideOf(null);
  const [width, height] = [whole.w + 12, whole.h + 26];
  const parts = contents(null, whole, 6, 16, height, 1);
  const asides = [...drawn.at.keys(), null].flatMap((id) => asidesOf(id));
  const marker = svg(
    "marker",
    {
      id: "arrow",
      viewBox: "0 0 6 6",
      refX: 5,
      refY: 3,
      markerWidth: 6,
      markerHeight: 6,
      markerUnits: "userSpaceOnUse",
      orient: "auto-start-reverse",
    },
    svg("path", { d: "M0 0L6 3L0 6z" }),
  );
  const style = `--natural:${width}px`;
  box.replaceChildren(
    svg(
      "svg",
      {
        viewBox: `0 0 ${width} ${height}`,
        style,
        role: "tree",
        "aria-label": "Modules in the order of the forward",
        onkeydown: drawingKeys,
      },
      svg("defs", {}, marker),
      parts,
      asides,
    ),
  );
  for (const { id, node } of drawn.items) node.setAttribute("tabindex", id === chosen.call ? 0 : -1);
  if (!drawn.items.some(({ id }) => id === chosen.call)) drawn.items[0].node.setAttribute("tabindex", 0);
  if (focused !== null) drawn.items.find(({ id }) => id === focused)?.node.focus({ preventScroll: true });
  showChosen(box);
}

function showChosen(box) {
  const node = drawn.items.find(({ id }) => id === chosen.call)?.node;
  if (!node) return;
  const place = node.querySelector(".hit").getBoundingClientRect();
  const around = box.getBoundingClientRect();
  const off = (low, high, from, to) =>
    low < from + 30 || high > to - 30 ? (low + high - from - to) / 2 : 0;
  box.scrollTop += off(place.top, place.bottom, around.top, around.bottom);
  box.scrollLeft += off(place.left, place.right, around.left, around.right);
}

/** The edges and nodes in a call; `x` and `up` are of its lower left corner, `top` of its frame. */
function contents(id, inside, x, up, height, level, top = up + inside.h) {
  const flip = ([px, py]) => [x + px, height - up - py];
  const streams = isStream(id) && !graphOf(id).skips.size;
  const edges = inside.edges.map(({ points, source, target, seen, stream }) => {
    const way = points.map(flip);
    if (target === "y" && way.at(-1)[1] === height - up - inside.h) way.push([way.at(-1)[0], height - top]);
    return svg("path", {
      class: `wire${stream || streams ? " stream" : ""}${seen ? "" : " unseen-link"}`,
      d: wirePath(way),
      ...arrow(inside.boxes.get(source), inside.boxes.get(target)),
    });
  });
  const ports = inside.ports.map((port) => {
    const { x: px } = inside.at.get(port);
    const [tx, ty] = flip([px, -9]);
    return svg("text", { class: "port", x: tx, y: ty }, port.slice(PORT.length).replaceAll("_", " "));
  });
  const nodes = [...inside.boxes].map(([node, box]) => {
    const place = inside.at.get(node);
    return nodeOf(node, box, x + place.x, up + place.y, height, level);
  });
  return [...edges, ...ports, ...nodes];
}

/** The arrow points upwards in the forward and downwards in the backward. */
const arrow = (source, target) =>
  chosen.pass === "backward"
    ? { "marker-start": source && !source.inside ? "url(#arrow)" : null }
    : { "marker-end": target && !target.inside ? "url(#arrow)" : null };

/** Upright lines, and from one column to another a soft turn; along a row straight. */
function wirePath(points) {
  return points
    .map(([x, y], i) => {
      if (!i) return `M${x} ${y}`;
      const [px, py] = points[i - 1];
      const half = (py + y) / 2;
      return Math.abs(x - px) < 0.5 || Math.abs(y - py) < 0.5
        ? `L${x} ${y}`
        : `C${px} ${half} ${x} ${half} ${x} ${y}`;
    })
    .join("");
}

function nodeOf(node, box, x, up, height, level) {
  const y = height - up - box.h;
  drawn.at.set(node, { x, y, ...box });
  if (typeof node === "number") return itemOf(node, box, x, y, up, height, level);
  if (node.startsWith("..."))
    return svg("text", { class: "gap", x: x + box.w / 2, y: y + 11 }, "⋮ left out");
  return sumOf(node[0], x, y);
}

const sumOf = (sign, x, y) => [
  svg("circle", { class: "sum", cx: x + SUM, cy: y + SUM, r: SUM - 0.5 }),
  svg("text", { class: "sign", x: x + SUM, y: y + SUM + 4 }, sign === "*" ? "×" : "+"),
];

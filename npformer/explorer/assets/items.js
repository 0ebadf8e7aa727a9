// One node of the drawing: a box, a frame around its parts, or a residual's sum; and the keys.

function itemOf(id, box, x, y, up, height, level) {
  const call = page.calls[id];
  const open = Boolean(box.inside);
  const here = id === chosen.call;
  const order = page[chosen.pass].indexOf(id);
  const now = page[chosen.pass].indexOf(chosen.call);
  const foldable = childrenOf(id).length > 0 && !isBranch(id);
  const marks = open
    ? isBranch(id)
      ? branchMarks(id, box, x, y)
      : frameMarks(id, box, x, y)
    : closedMarks(id, box, x, y, order);
  const node = svg(
    "g",
    {
      role: "treeitem",
      class: ["item", here && "here", order >= 0 && now >= 0 && order < now && "done", call.step && "step"]
        .filter(Boolean)
        .join(" "),
      tabindex: -1,
      "data-call": id,
      "aria-selected": String(here),
      "aria-level": level,
      "aria-expanded": foldable ? String(open) : null,
      "aria-label": `${itemNames.get(id)}${call.use ? ` ${call.use}` : ""}, ${call.kind}`,
      onclick: (event) => {
        event.stopPropagation();
        if (event.target.classList.contains("twist")) return toggle(id);
        openCall(id);
      },
    },
    svg("title", {}, page.docs[call.doc].title),
    ...marks,
  );
  drawn.items.push({ id, node });
  if (open)
    node.append(
      svg("g", { role: "group" }, contents(id, box.inside, x + box.pad, up, height, level + 1, up + box.h)),
    );
  return node;
}

function closedMarks(id, { w, h, lines }, x, y, order) {
  const call = page.calls[id];
  const made = childrenOf(id).length > 0;
  const text = (cls, tx, ty, ...words) => svg("text", { class: cls, x: tx, y: ty }, ...words);
  return [
    svg("rect", { class: "hit box", x, y, width: w, height: h, rx: made ? 7 : 3 }),
    made ? text("fold", x + 4, y + 16, "▸") : null,
    made ? twist(x, y) : null,
    text("label", x + (made ? 17 : 7), y + 16, labelOf(id)),
    order >= 0 ? text("order", x + w - 5, y + 16, String(order + 1)) : null,
    call.error ? errorMark(call.error, x + w - 2, y + 2) : null,
    ...lines.map((line, i) =>
      line.picks
        ? pickMarks(line.picks, x + 9, y + 24 + 12 * i)
        : text("note", x + 9, y + 29 + 12 * i, line.text),
    ),
  ];
}

function frameMarks(id, { w, h }, x, y) {
  return [
    svg("rect", { class: "hit frame-box", x, y, width: w, height: h, rx: 9 }),
    svg("text", { class: "fold", x: x + 6, y: y + 14 }, "▾"),
    twist(x, y),
    svg("text", { class: "label", x: x + 17, y: y + 14 }, labelOf(id)),
  ];
}

/** Where a click opens or closes a part and does not choose it: large enough for a finger. */
const twist = (x, y) => svg("rect", { class: "twist", x, y, width: 24, height: 24 });

/** A residual has no frame: it is opened at its sum, which is drawn over it. */
function branchMarks(id, { inside }, x, y) {
  const sum = [...inside.boxes.keys()].find((node) => graphOf(id).skips.has(node));
  const place = inside.at.get(sum);
  const top = y + inside.h - place.y - 2 * SUM;
  return [
    svg("circle", { class: "hit", cx: x + place.x + SUM, cy: top + SUM, r: SUM + 3 }),
  ];
}

/** A row of squares, of which a token chooses some; in words where there are too many. */
function pickMarks({ of, at }, x, y) {
  if (of > 16) return svg("text", { class: "note", x, y: y + 5 }, `${at.join(", ")} of ${of}`);
  return d3.range(of).map((i) =>
    svg("rect", {
      class: at.includes(i) ? "pick taken" : "pick",
      x: x + 6 * i,
      y: y - 1,
      width: 5,
      height: 5,
    }),
  );
}

function errorMark([forward, gradient], x, y) {
  const right = forward !== null && gradient !== null && Math.max(forward, gradient) <= 4;
  const title = svg("title", {}, `error ${number(forward)} forward, ${number(gradient)} gradient`);
  return right
    ? svg("circle", { class: "dot right", cx: x, cy: y, r: 2.5 }, title)
    : svg("text", { class: "dot off", x: x - 2, y: y + 5 }, "!", title);
}

/** Links into an open part from aside, as a memory: one line beside it, with an arrow a reader. */
function asidesOf(id) {
  if (id !== null && (typeof id !== "number" || !drawn.at.get(id).inside)) return [];
  return graphOf(id)
    .aside.filter(({ source }) => drawn.at.has(source))
    .map(({ source, target, argument }) => {
      const [from, into] = [drawn.at.get(source), drawn.at.get(target)];
      const trunk = into.x - 10;
      const start = [from.x + from.outX, from.y];
      const bend = from.y - 9;
      const ends = readersOf(target, argument).map((reader) => drawn.at.get(reader));
      return [
        ...ends.map(({ x, y, h }) =>
          svg("path", {
            class: "wire aside stream",
            d: `M${start}L${start[0]} ${bend}L${trunk} ${bend}L${trunk} ${y + h / 2}L${x} ${y + h / 2}`,
            "marker-end": chosen.pass === "forward" ? "url(#arrow)" : null,
            "marker-start": chosen.pass === "backward" ? "url(#arrow)" : null,
          }),
        ),
        svg("text", { class: "port", x: start[0] + 4, y: bend - 3 }, argument.replaceAll("_", " ")),
      ];
    })
    .flat();
}

/** The drawn parts that read an input of a call: it, or parts of it that are made of others too. */
function readersOf(id, argument) {
  if (!isOpen(id)) return [id];
  const { links, aside } = graphOf(id);
  const from = [...links, ...aside].filter(({ source }) => source === PORT + argument);
  const made = from.filter(({ target }) => typeof target === "number" && childrenOf(target).length);
  return from.length && made.length === from.length
    ? made.flatMap((link) => readersOf(link.target, link.argument))
    : [id];
}

function toggle(id, open = !isOpen(id)) {
  drawn.opened.set(id, open);
  drawModel();
}

function drawingKeys(event) {
  const node = document.activeElement.closest("[role=treeitem]");
  if (!node || event.altKey || event.ctrlKey || event.metaKey) return;
  const at = drawn.items.findIndex((item) => item.node === node);
  const { id } = drawn.items[at];
  const open = node.getAttribute("aria-expanded");
  const focus = (item) => {
    if (!item) return;
    for (const other of drawn.items) other.node.setAttribute("tabindex", -1);
    item.node.setAttribute("tabindex", 0);
    item.node.focus();
  };
  const above = () => drawn.items.find((item) => item.id === callerOf.get(id));
  const acts = {
    ArrowDown: () => focus(drawn.items[at + 1]),
    ArrowUp: () => focus(drawn.items[at - 1]),
    Home: () => focus(drawn.items[0]),
    End: () => focus(drawn.items.at(-1)),
    ArrowRight: () =>
      open === "false" ? toggle(id, true) : open === "true" ? focus(drawn.items[at + 1]) : null,
    ArrowLeft: () => (open === "true" ? toggle(id, false) : focus(above())),
    Enter: () => openCall(id),
    " ": () => openCall(id),
  };
  if (!acts[event.key]) return;
  event.preventDefault();
  event.stopPropagation();
  acts[event.key]();
}

/** What the signs of the drawing mean. */
function drawingKey() {
  return h(
    "p",
    { class: "drawing-key" },
    "Read from below to above. ▸ opens a part. Numbers: the steps of this pass. ",
    page.measured
      ? [
          h("span", { class: "right" }, "●"),
          " within rounding of PyTorch, ",
          h("b", { class: "off" }, "!"),
          " not.",
        ]
      : null,
  );
}

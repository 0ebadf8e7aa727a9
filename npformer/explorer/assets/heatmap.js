// A tensor as a heat map: a canvas a panel, one pixel an entry, stretched; a colour bar; a cursor.

const settings = { root: false };
let entryCursor = 0;

/**
 * The figure of one tensor. `entry` is of page.arrays; `side` and `keys` say whose tokens name the
 * rows and the columns.
 */
function heatmap(entry, { name, label, side = null, keys = null }) {
  const [panels, rows, columns] = entry.view;
  const data = values(entry);
  const scale = colourScale(entry.min ?? 0, entry.max ?? 0, settings);
  const pooled = entry.block[0] * entry.block[1] > 1;
  const about = `${label}: shape ${shapeText(entry.shape)}, from ${number(entry.min)} to ${number(entry.max)}`;
  const readout = h("output", { class: "readout", id: `readout-${++entryCursor}` }, "");
  const grid = h("div", { class: `panels${panels > 1 ? " many" : ""}` });
  for (let panel = 0; panel < panels; panel++) {
    grid.append(panelOf(panel));
  }

  function panelOf(panel) {
    const canvas = h("canvas", {
      width: columns,
      height: rows,
      tabindex: 0,
      role: "img",
      "aria-label": `${about}${panels > 1 ? `, head ${headOf(entry, panel)}` : ""}. Arrow keys read entries.`,
      "aria-describedby": readout.id,
    });
    paint(
      canvas,
      scale.name,
      data.subarray(panel * rows * columns, (panel + 1) * rows * columns).map(scale.at),
    );
    const mark = h("div", { class: "cell-mark", "aria-hidden": "true" });
    const tokens = rowTokens();
    const frame = h(
      "div",
      {
        class: "frame",
        "data-side": tokens && side,
        "data-rows": tokens && rows,
        style: { "--rows": rows, "--most": rows > 40 ? 26 : 40 },
      },
      canvas,
      tokens && h("div", { class: "row-mark", "aria-hidden": "true" }),
      mark,
    );
    let row = 0;
    let column = 0;
    const show = (r, c) => {
      row = Math.min(Math.max(r, 0), rows - 1);
      column = Math.min(Math.max(c, 0), columns - 1);
      const value = data[(panel * rows + row) * columns + column];
      readout.textContent = describe(panel, row, column, value);
      mark.style.cssText = `left:${(100 * column) / columns}%;top:${(100 * row) / rows}%;width:${100 / columns}%;height:${100 / rows}%;opacity:1`;
    };
    const hide = () => {
      mark.style.opacity = 0;
      readout.textContent = "";
    };
    canvas.addEventListener("pointermove", (event) => {
      const box = canvas.getBoundingClientRect();
      show(
        Math.floor(((event.clientY - box.top) / box.height) * rows),
        Math.floor(((event.clientX - box.left) / box.width) * columns),
      );
    });
    canvas.addEventListener("pointerleave", hide);
    const take = () => {
      const cell = entry.block[0] * entry.block[1] === 1 ? [name, panel, row, column].join() : null;
      choose(tokens ? { side, [side]: row, cell } : { cell });
    };
    canvas.addEventListener("click", take);
    canvas.addEventListener("focus", () => canvas.matches(":focus-visible") && show(row, column));
    canvas.addEventListener("blur", hide);
    canvas.addEventListener("keydown", (event) => {
      const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[
        event.key
      ];
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      if (event.key === "Enter") take();
      if (!move) return;
      event.preventDefault();
      event.stopPropagation();
      show(row + move[0], column + move[1]);
      announce(readout.textContent);
    });
    const heads = entry.heads ? entry.shape[entry.heads] : 1; // a mask is the same in all
    const head = heads > 1 ? headOf(entry, panel) : null;
    return h(
      "div",
      { class: "panel", "data-panel": panel, "data-head": head, "data-heads": heads },
      heads > 1 ? headName(head, heads) : null,
      h("div", { class: "with-names" }, rowNames(), frame),
    );
  }

  function tokensOf(which, length) {
    const tokens = which === "source" ? sourceTokens : which === "target" ? targetRead : null;
    return tokens && tokens.length === length ? tokens : null;
  }

  function rowTokens() {
    return entry.block[0] === 1 && rows > 1 ? tokensOf(side, rows) : null;
  }

  function rowNames() {
    const tokens = rows <= 40 ? rowTokens() : null;
    return (
      tokens &&
      h(
        "ol",
        { class: "row-names", "aria-hidden": "true", style: { "--rows": rows } },
        tokens.map((token) => h("li", {}, token)),
      )
    );
  }

  function describe(panel, row, column, value) {
    const place = indexText(entry, panel, row, column);
    const byRow = entry.block[0] === 1 ? tokensOf(side, rows === 1 ? columns : rows) : null;
    const byColumn = keys && entry.block[1] === 1 ? tokensOf(keys, columns) : null;
    const words = [
      byRow && `“${byRow[rows === 1 ? column : row]}”`,
      byColumn && `to “${byColumn[column]}”`,
    ]
      .filter(Boolean)
      .join(" ");
    return `${name}[${place}] = ${number(value)}${words ? `  ${words}` : ""}`;
  }

  return h(
    "figure",
    { class: `tensor${rows === 1 ? " flat" : ""}`, "data-tensor": name },
    h(
      "figcaption",
      {},
      h("span", { class: "tensor-name" }, name),
      h("span", { class: "tensor-shape" }, shapeText(entry.shape)),
      h(
        "span",
        { class: "tensor-range" },
        entry.min === entry.max
          ? `all ${number(entry.min)}`
          : `${number(entry.min)} … ${number(entry.max)}`,
      ),
      entry.type === "f16" && entry.min !== entry.max
        ? h("span", { class: "tensor-range" }, `rms ${number(entry.rms)}`)
        : null,
    ),
    grid,
    h("div", { class: "under" }, colourBar(scale), readout),
    pooled
      ? h(
          "p",
          { class: "pooled" },
          `Pooled: a cell is the largest in magnitude of ${entry.block[0]} × ${entry.block[1]} entries.`,
        )
      : null,
  );
}

/** Where a cell stands in the tensor, with ranges where it stands for a block. */
function indexText(entry, panel, row, column) {
  const [high, wide] = entry.block;
  const range = (at, step, size) =>
    step === 1 ? `${at}` : `${at * step}…${Math.min((at + 1) * step, size) - 1}`;
  const shape = entry.shape;
  const last = shape.length - 1;
  if (shape.length === 0) return "";
  if (shape.length === 1) return range(column, wide, shape[0]);
  const r = range(row, high, shape[last - 1]);
  const c = range(column, wide, shape[last]);
  if (shape.length === 2) return `${r}, ${c}`;
  if (shape.length === 3) return `0, ${r}, ${c}`;
  const head = headOf(entry, panel);
  return entry.heads === 1
    ? `0, ${head}, ${r}, ${c}`
    : `0, ${range(row, high, shape[1])}, ${head}, ${c}`;
}

/** The scale's colours from end to end, with its numbers below. */
function colourBar(scale) {
  const stops = d3.range(0, 1.001, 0.1).map(ramp(scale.name)).join(",");
  const [low, high] = scale.domain;
  return h(
    "div",
    { class: "colour-bar", "aria-hidden": "true" },
    h("div", {
      class: "colour-strip",
      style: { "background-image": `linear-gradient(to right, ${stops})` },
    }),
    h(
      "div",
      { class: "colour-ends" },
      h("span", {}, number(low)),
      scale.signed ? h("span", {}, "0") : null,
      h("span", {}, number(high)),
    ),
  );
}

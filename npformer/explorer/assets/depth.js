// The gradient's norm by depth, for every position at once.

/** The norm over all tokens at each depth, of the chosen position and, faint, of all others. */
function depthChart(rows, width) {
  const total = (place, t) =>
    Math.hypot(...d3.range(place.shape[1]).map((s) => entryOf(place, t, s)));
  const order = rows.map(({ place }) => place);
  const points = targetWritten
    .flatMap((_, t) =>
      order.map((place, depth) => ({
        t,
        depth,
        side: place.side,
        norm: total(place, t),
        name: rows[depth].name,
      })),
    )
    .filter((point) => point.norm > 0 && point.norm < Infinity); // what a logarithm has a place for
  const [low, high] = points.length ? d3.extent(points, (point) => point.norm) : [0.1, 1];
  const mine = points.filter((point) => point.t === chosen.target);
  const ticks = powersOfTen(low, high);
  const plot = Plot.plot({
    width: Math.max(width, 240),
    height: 290,
    marginLeft: 14,
    marginRight: 20,
    marginBottom: 34,
    marginTop: 8,
    ariaLabel: "Norm of the gradient over all tokens, by depth",
    x: {
      type: "log",
      domain: [low, high],
      label: "gradient norm →",
      axis: null,
    },
    y: { domain: [0, order.length - 1], reverse: true, axis: null },
    symbol: { domain: ["source", "target"], range: ["circle", "triangle"] },
    color: {
      domain: ["source", "target"],
      range: [isDark() ? "#6fb7e4" : "#1f6ea8", isDark() ? "#f0a27b" : "#b8481f"],
    },
    marks: [
      Plot.gridX({ ticks }),
      Plot.axisX({ ticks, tickFormat: "~g", label: "gradient norm →", tickSize: 0 }),
      Plot.line(points, {
        x: "norm",
        y: "depth",
        z: (p) => `${p.t}${p.side}`,
        stroke: "side",
        strokeOpacity: 0.13,
        sort: "depth",
      }),
      Plot.line(mine, {
        x: "norm",
        y: "depth",
        z: "side",
        stroke: "side",
        strokeWidth: 2,
        sort: "depth",
      }),
      Plot.dot(mine, {
        x: "norm",
        y: "depth",
        fill: "side",
        symbol: "side",
        r: 3,
        channels: { at: "name" },
        tip: { format: { y: false, fill: false, symbol: false, x: (x) => number(x) } },
      }),
    ],
  });
  plot.setAttribute("role", "img");
  return h(
    "div",
    {},
    plot,
    h(
      "p",
      { class: "keys small" },
      h("span", { class: "key target" }, `▲ ${targetStack}, target`),
      hasSource ? h("span", { class: "key source" }, `● ${sourceStack}, ${heard ? "sound" : "source"}`) : null,
      h("span", { class: "muted" }, "top: the loss; bottom: the embeddings"),
    ),
  );
}

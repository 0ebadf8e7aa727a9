// The charts of the gradient's way down, by Observable Plot.

/** The smallest and largest norm over all positions: one scale for all, so that they compare. */
const flowDomain = (() => {
  let found = null;
  return () => {
    if (!found) {
      const finite = (value) => value > 0 && value < Infinity;
      const all = page.flow.flatMap((place) => [...values(place)].filter(finite));
      const high = d3.max(all) || 1;
      found = [Math.max(d3.quantile(all, 0.05) || high / 1e4, high / 1e6), high];
    }
    return found;
  };
})();

const powersOfTen = (low, high) =>
  d3
    .range(Math.ceil(Math.log10(low)), Math.log10(high) + 1)
    .map((power) => 10 ** power)
    .filter((size) => size <= high);

function drawFlow(moving) {
  const rows = flowRows();
  const box = byId("flow");
  if (chosen.view !== "gradient") return;
  const width = box.clientWidth || 900;
  const narrow = width < 760;
  const strips = page.stacks.length;
  const card = narrow ? width : (width - 320) / strips - 16;
  const charts = (hasSource ? ["target", "source"] : ["target"]).map((side) => {
    const ofSide = rows.filter(({ place }) => place.side === side);
    const tokens = side === "source" ? sourceTokens : targetRead;
    const title =
      side === "source"
        ? `2  Across to the memory, down the ${sourceStack}`
        : `${hasSource ? "1  " : ""}From the loss down the ${targetStack}`;
    return h(
      "figure",
      { class: "card flow-card", "data-side": side },
      h("figcaption", {}, title),
      strip(ofSide, tokens, side, card - 42, moving),
    );
  });
  box.replaceChildren(
    ...charts,
    h(
      "figure",
      { class: "card flow-card" },
      h("figcaption", {}, "All tokens together, by depth"),
      depthChart(
        rows.filter(({ place }) => place.stream),
        narrow ? width - 40 : 280,
      ),
    ),
  );
  byId("flow-scale").replaceChildren(legend());
  byId("flow-table").replaceChildren(flowTable(rows));
}

function strip(rows, tokens, side, width, moving) {
  const [low, high] = flowDomain();
  const cells = rows.flatMap(({ name, norms }, depth) =>
    norms.map((norm, s) => ({
      depth,
      name,
      s,
      norm: norm > 0 ? Math.max(norm, low) : null,
      exact: norm,
    })),
  );
  const names = rows.map(({ name }) => name);
  const left = flow.all ? 186 : 134;
  const every = Math.ceil((13 * tokens.length) / (Math.max(width, 260) - left)); // so that names fit
  const plot = Plot.plot({
    width: Math.max(width, 260),
    height: 70 + (flow.all ? 15 : 24) * rows.length,
    marginLeft: left,
    marginTop: 64,
    marginBottom: 6,
    marginRight: 6,
    ariaLabel: `Gradient norms at the ${side} tokens, from the loss down`,
    x: {
      domain: d3.range(tokens.length),
      ticks: d3.range(0, tokens.length, every),
      tickFormat: (s) => tokens[s],
      tickRotate: -55,
      axis: "top",
      tickSize: 0,
      label: null,
      padding: 0.06,
    },
    y: {
      domain: d3.range(rows.length),
      tickFormat: (depth) => names[depth],
      tickSize: 0,
      label: null,
      padding: 0.08,
    },
    color: {
      type: "log",
      domain: [low, high],
      interpolate: ramp("reach"),
      clamp: true,
      unknown: "transparent",
    },
    marks: [
      Plot.cell(cells, {
        x: "s",
        y: "depth",
        fill: "norm",
        stroke: (cell) => (cell.s === chosenToken(side) ? "currentColor" : "none"),
        inset: 0.2,
        rx: 1.5,
        channels: {
          where: { value: (d) => d.name, label: "at" },
          token: { value: (d) => tokens[d.s], label: "token" },
          size: {
            value: (d) => (d.exact > 0 ? number(d.exact) : "0: out of reach"),
            label: "norm",
          },
        },
        tip: { format: { x: false, y: false, fill: false } },
      }),
      Plot.text(
        cells.filter((cell) => cell.norm === null),
        { x: "s", y: "depth", text: () => "·", fillOpacity: 0.5 },
      ),
    ],
  });
  plot.setAttribute("role", "img");
  plot.classList.add("strip");
  plot.querySelectorAll('[aria-label="y-axis tick label"] text').forEach((name, depth) => {
    const { path } = rows[depth].place;
    name.classList.toggle("near", layerIn(path) !== null && layerIn(path) === chosenLayer());
  });
  if (moving && !calm()) {
    const order = page.flow.filter((place) => flow.all || place.stream);
    plot.querySelectorAll("[aria-label=cell] rect").forEach((rect, i) => {
      const row = rows[cells[i].depth];
      rect.style.animationDelay = `${(700 * order.indexOf(row.place)) / order.length}ms`;
      rect.classList.add("falls");
    });
  }
  return plot;
}

function legend() {
  const bar = Plot.legend({
    color: {
      type: "log",
      domain: flowDomain(),
      interpolate: ramp("reach"),
      label: "gradient norm, one scale for all positions",
      tickFormat: "~g",
    },
    width: 260,
    ticks: powersOfTen(...flowDomain()),
  });
  bar.setAttribute("role", "img");
  bar.setAttribute("aria-label", "Colour scale of the gradient norm");
  return bar;
}

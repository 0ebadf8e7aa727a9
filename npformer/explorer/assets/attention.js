// A token chosen: what it attends to in every head, and what its loss's gradient reaches.

const looking = { side: "target", at: 0 };
const KINDS = {
  encoder: { match: /^encoder\..*self_attn$/, title: "Encoder self-attention" },
  decoder: { match: /^decoder\..*self_attn$/, title: "Decoder self-attention" },
  cross: { match: /cross_attn$/, title: "Cross-attention" },
};
const layerOf = (path) => Number(path.match(/layers\.(\d+)/)[1]);
const maps = (kind) => page.maps.filter(({ path }) => KINDS[kind].match.test(path));
let sourceRow = null;
let targetRow = null;

function tokensView() {
  sourceRow = tokenRow(sourceTokens, { label: "Source tokens", choose: (i) => look("source", i) });
  targetRow = tokenRow(targetWritten, {
    label: "Target tokens",
    choose: (i) => look("target", i),
    bars: page.sentence.target.loss,
  });
  byId("view-tokens").append(
    h(
      "p",
      { class: "lead" },
      hasSource
        ? "Point at a token, or reach it with Tab and the arrow keys. A source token looks at the source; a target position looks at the source and back at what was written before it."
        : "Point at a token, or reach it with Tab and the arrow keys. Each position looks back at what was written before it.",
    ),
    h(
      "div",
      { class: "pickers" },
      hasSource ? picker("Source", sourceRow) : null,
      picker(hasSource ? "Target" : "Text", targetRow),
    ),
    h("div", { id: "looks" }),
  );
  look("target", d3.maxIndex(page.sentence.target.loss), { quiet: true });
  whenRecoloured(() => look(looking.side, looking.at, { quiet: true }));
}

function picker(name, { row }) {
  return h("div", { class: "picker" }, h("p", { class: "picker-name" }, name), row);
}

function look(side, at, { quiet = false } = {}) {
  Object.assign(looking, { side, at });
  sourceRow.mark(side === "source" ? at : -1);
  targetRow.mark(side === "target" ? at : -1);
  const blocks = side === "source" ? sourceBlocks(at) : targetBlocks(at);
  byId("looks").replaceChildren(...blocks);
  if (!quiet) announce(byId("looks").querySelector("h2").textContent);
}

function sourceBlocks(s) {
  const token = sourceTokens[s];
  return [
    h("h2", { class: "look-title" }, `“${token}”, source position ${s}`),
    h(
      "div",
      { class: "look-grid" },
      heatTable("Encoder self-attention", sourceTokens, attentionRows("encoder", s), {
        note: "In percent of each head's attention.",
      }),
      heatTable(
        `Target losses whose gradient reaches “${token}”`,
        targetWritten,
        reachRows(sourcePlaces(), (place) => targetWritten.map((_, t) => entryOf(place, t, s))),
        { note: "Norm of the gradient at this token, of the loss of each target position." },
      ),
    ),
    overview("encoder", s),
  ];
}

function targetBlocks(t) {
  const loss = page.sentence.target.loss[t];
  return [
    h(
      "h2",
      { class: "look-title" },
      `“${targetWritten[t]}”, written after “${targetRead[t]}”, target position ${t}, loss ${number(loss)}`,
    ),
    h(
      "div",
      { class: "look-grid" },
      hasSource ? acrossTable(t) : null,
      heatTable(
        "Decoder self-attention, and the earlier tokens its gradient reaches",
        targetRead,
        [
          ...attentionRows("decoder", t),
          ...reachRows(targetPlaces(), (place) => targetRead.map((_, s) => entryOf(place, t, s))),
        ],
        {
          last: t,
          note: "Hatched: later tokens, hidden by the causal mask; nothing is seen there and no gradient arrives.",
        },
      ),
    ),
    hasSource ? overview("cross", t) : null,
    overview("decoder", t),
  ].filter(Boolean);
}

function acrossTable(t) {
  return heatTable(
    "Cross-attention, and what its gradient reaches in the source",
    sourceTokens,
    [
      ...attentionRows("cross", t),
      ...reachRows(sourcePlaces(), (place) => sourceTokens.map((_, s) => entryOf(place, t, s))),
    ],
    {
      note: "Blue: attention, in percent. Orange: the norm of this position's loss gradient at each source token.",
    },
  );
}

/** A row a head of every layer: what one query attends to, printed in percent and shaded. */
function attentionRows(kind, query) {
  const colours = ramp("size");
  return maps(kind).flatMap(({ path, array }) => {
    const entry = page.arrays[array];
    const [heads, queries, keys] = entry.view;
    const data = values(entry);
    return d3.range(heads).map((head) => ({
      name: `layer ${layerOf(path)} · head ${head}`,
      first: head === 0,
      cells: d3.range(keys).map((key) => data[(head * queries + query) * keys + key]),
      show: (value) => [
        colours(Math.min(1, value)),
        percent(value),
        `${(100 * value).toFixed(1)} %`,
      ],
    }));
  });
}

/** A row a place: gradient norms, printed in percent of the row's largest. */
function reachRows(places, read) {
  const colours = ramp("reach");
  return places.map(([name, place], i) => {
    const cells = read(place);
    const most = Math.max(...cells) || 1;
    return {
      name: `gradient · ${name}`,
      first: i === 0,
      cells,
      most: `${number(most)} (${name})`,
      show: (value) => [colours(value / most), percent(value / most), number(value)],
    };
  });
}

const placeOf = (path, use) => page.flow.find((place) => place.path === path && place.use === use);
const sourcePlaces = () =>
  [
    ["memory", placeOf("encoder", "")],
    ["embedding", placeOf("encoder", "input")],
  ].filter(([, place]) => place);
// Above the first layer's output nothing has mixed positions on the way down, if it is the last.
const targetPlaces = () =>
  [
    ["layer 0", maps("decoder").length > 1 && placeOf("decoder.layers.0", "")],
    ["embedding", placeOf("decoder", "input")],
  ].filter(([, place]) => place);
const entryOf = (place, t, s) => values(place)[t * place.shape[1] + s];

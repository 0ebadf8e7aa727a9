// A token chosen: what it attends to in every head, and what its loss's gradient reaches.

const selfAttention = (stack) => ({
  match: new RegExp(`^${stack}\\..*self_attn$`),
  title: `${stack[0].toUpperCase()}${stack.slice(1)} self-attention`,
});
const KINDS = {
  source: selfAttention(sourceStack),
  target: selfAttention(targetStack),
  cross: { match: /cross_attn$/, title: "Cross-attention" },
};
/** The step in which the attention at `path` computes its probabilities. */
const attendingCall = (path) =>
  page.calls.findIndex(
    (call) =>
      call.path.startsWith(`${path}.`) && call.tensors.some((tensor) => tensor.name === "probs"),
  );
const isChosenHead = (path, head) =>
  head === chosen.head && page.calls[chosen.call].path.startsWith(path);
const chooseHead = (path, head, more) => choose({ call: attendingCall(path), head, ...more });
const layerOf = (path) => Number(path.match(/layers\.(\d+)/)[1]);
const maps = (kind) => page.maps.filter(({ path }) => KINDS[kind].match.test(path));
let sourceRow = null;
let targetRow = null;

function tokensView() {
  sourceRow = tokenRow(sourceTokens, {
    label: heard ? "Stretches of sound" : "Source tokens",
    choose: (i, options) => chooseToken("source", i, options),
    joined: page.sentence.source.joined,
  });
  targetRow = tokenRow(targetWritten, {
    label: "Target tokens",
    choose: (i, options) => chooseToken("target", i, options),
    joined: page.sentence.target.joined,
    bars: page.sentence.target.loss,
  });
  byId("view-tokens").append(
    h(
      "p",
      { class: "lead" },
      `Choose a token by a click, or with Tab and the arrow keys; it stays chosen in the other views. ${lookingText()}`,
    ),
    h(
      "div",
      { class: "pickers" },
      hasSource ? picker(heard ? "Sound" : "Source", sourceRow) : null,
      picker(hasSource ? "Target" : "Text", targetRow),
    ),
    h("div", { id: "looks" }),
  );
  whenChosen((changed) => {
    if (chosen.view === "tokens" && [...changed].some((name) => name !== "pass")) look();
  });
  whenRecoloured(() => chosen.view === "tokens" && look());
}

function lookingText() {
  if (heard)
    return "A stretch of sound looks at the sound; a target position looks at the sound and back at what was written before it.";
  if (hasSource)
    return "A source token looks at the source; a target position looks at the source and back at what was written before it.";
  return page.causal
    ? "Each position looks back at what was written before it."
    : "Each position looks at the text, before it and after it.";
}

function picker(name, { row }) {
  return h("div", { class: "picker" }, h("p", { class: "picker-name" }, name), row);
}

function look() {
  const { side } = chosen;
  const at = chosen[side];
  sourceRow.mark(side === "source" ? at : -1);
  targetRow.mark(side === "target" ? at : -1);
  const blocks = side === "source" ? sourceBlocks(at) : targetBlocks(at);
  byId("looks").replaceChildren(...blocks);
  announce(byId("looks").querySelector("h2").textContent);
}

function sourceBlocks(s) {
  const token = sourceTokens[s];
  return [
    h(
      "h2",
      { class: "look-title" },
      heard ? `Sound from ${token}` : `“${token}”, source position ${s}`,
    ),
    h(
      "div",
      { class: "look-grid" },
      heatTable(KINDS.source.title, sourceTokens, attentionRows("source", s), {
        note: "In percent of each head's attention.",
      }),
      heatTable(
        `Target losses whose gradient reaches “${token}”`,
        targetWritten,
        reachRows(sourcePlaces(), (place) => targetWritten.map((_, t) => entryOf(place, t, s))),
        { note: "Norm of the gradient at this token, of the loss of each target position." },
      ),
    ),
    overview("source", s),
  ];
}

function targetBlocks(t) {
  const loss = page.sentence.target.loss[t];
  return [
    h(
      "h2",
      { class: "look-title" },
      page.causal
        ? `“${targetWritten[t]}”, written after “${targetRead[t]}”, target position ${t}, loss ${number(loss)}`
        : `“${targetWritten[t]}”, position ${t}, loss ${number(loss)}`,
    ),
    h(
      "div",
      { class: "look-grid" },
      hasSource ? acrossTable(t) : null,
      heatTable(
        `${KINDS.target.title}, and the ${page.causal ? "earlier " : ""}tokens its gradient reaches`,
        targetRead,
        [
          ...attentionRows("target", t),
          ...reachRows(targetPlaces(), (place) => targetRead.map((_, s) => entryOf(place, t, s))),
        ],
        page.causal
          ? {
              last: t,
              note: "Hatched: later tokens, hidden by the causal mask; nothing is seen there and no gradient arrives.",
            }
          : { note: BLUE_AND_ORANGE },
      ),
    ),
    hasSource ? overview("cross", t) : null,
    overview("target", t),
  ].filter(Boolean);
}

const BLUE_AND_ORANGE =
  "Blue: attention, in percent. Orange: the norm of this position's loss gradient at each column.";

function acrossTable(t) {
  return heatTable(
    "Cross-attention, and what its gradient reaches in the source",
    sourceTokens,
    [
      ...attentionRows("cross", t),
      ...reachRows(sourcePlaces(), (place) => sourceTokens.map((_, s) => entryOf(place, t, s))),
    ],
    {
      note: BLUE_AND_ORANGE,
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
    const scores = scoresOf(path, entry);
    return d3.range(heads).flatMap((head) => [
      {
        name: `layer ${layerOf(path)} · head ${headOf(entry, head)}`,
        first: head === 0,
        chosen: isChosenHead(path, headOf(entry, head)),
        near: layerIn(path) === chosenLayer(),
        choose: () => chooseHead(path, headOf(entry, head)),
        cells: d3.range(keys).map((key) => data[(head * queries + query) * keys + key]),
        show: (value) => [
          colours(Math.min(1, value)),
          percent(value),
          `${(100 * value).toFixed(1)} %`,
        ],
      },
      isChosenHead(path, headOf(entry, head)) && scores ? scoreRow(scores, head, query) : null,
    ]).filter(Boolean);
  });
}

/** The scores before the softmax of the attention at `path`; null where they are not as its map is. */
function scoresOf(path, { view }) {
  const call = page.calls[attendingCall(path)];
  const at = call?.tensors.find((tensor) => tensor.name === "scores")?.value ?? null;
  return at !== null && String(page.arrays[at].view) === String(view) ? page.arrays[at] : null;
}

/** Below the weights of the chosen head, what the softmax made them of. */
function scoreRow(entry, head, query) {
  const scale = colourScale(entry.min, entry.max);
  const colours = ramp(scale.name);
  const [, queries, keys] = entry.view;
  const data = values(entry);
  return {
    name: "its scores",
    near: true,
    cells: d3.range(keys).map((key) => data[(head * queries + query) * keys + key]),
    show: (value) =>
      value === HIDDEN
        ? ["transparent", "", "hidden"]
        : [colours(scale.at(value)), value.toFixed(1).replace("-", "−"), number(value)],
  };
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
    ["memory", placeOf(sourceStack, "")],
    ["embedding", placeOf(sourceStack, "input")],
  ].filter(([, place]) => place);
// Above the first layer's output nothing has mixed positions on the way down, if it is the last.
const targetPlaces = () =>
  [
    ["layer 0", page.choice.of_layers > 1 && placeOf(`${targetStack}.layers.0`, "")],
    ["embedding", placeOf(targetStack, "input")],
  ].filter(([, place]) => place);
const entryOf = (place, t, s) => values(place)[t * place.shape[1] + s];

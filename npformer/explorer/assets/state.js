// What the reader has chosen, one for all views, and the address that says so:
// #view&node=PATH&pass=backward&target=4&source=2&head=1, where what is left out is as at first.

const VIEW_NAMES = ["walk", "tokens", "gradient"];
const atFirst = () => ({
  view: "walk",
  pass: "forward",
  call: page.forward[0],
  side: "target", // whose token was chosen last
  target: Math.max(0, d3.maxIndex(page.sentence.target.loss)),
  source: null,
  head: null,
  cell: null, // "name,head,row,column" of the open node's tensors
});
const chosen = atFirst();
const drawers = [];

/** `draw(changed)` hears of every choice: the names in `chosen` that have a new value. */
const whenChosen = (draw) => drawers.push(draw);

/** Choose; one that the reader only passes by, as with an arrow key, is no place to go back to. */
function choose(changes, { passing = false } = {}) {
  if ("call" in changes && changes.call !== chosen.call) changes = { cell: null, ...changes };
  const changed = Object.keys(changes).filter((name) => chosen[name] !== changes[name]);
  if (!changed.length) return;
  Object.assign(chosen, changes);
  writeAddress(passing);
  for (const draw of drawers) draw(new Set(changed));
}

/** A token of a side: what is marked in heat maps, and what attention and the gradient are of. */
const chooseToken = (side, at, options) => choose({ side, [side]: at }, options);

/** What is marked along an axis of tokens: a source token only while one is what was chosen. */
const chosenToken = (side) =>
  side === "target" ? chosen.target : side === "source" && chosen.side === "source" ? chosen.source : null;

const nodeName = (call) => (call.path || call.kind.toLowerCase()) + (call.use ? `~${call.use}` : "");
const layerIn = (path) => path.match(/^(\w+\.layers\.\d+)\b/)?.[1] ?? null;
/** The path of the layer that the open node is in; null for none. */
const chosenLayer = () => layerIn(page.calls[chosen.call].path);

function addressOf(place) {
  const first = atFirst();
  const parts = new URLSearchParams();
  if (place.call !== first.call) parts.set("node", nodeName(page.calls[place.call]));
  for (const name of ["pass", "target", "source", "head", "cell"])
    if (place[name] !== first[name]) parts.set(name, place[name]);
  if (place.side === "target") parts.delete("source");
  return `#${[place.view, ...parts].length > 1 ? `${place.view}&${parts}` : place.view}`;
}

/** The place that an address names; of what it names and is not there, as at first. */
function placeAt(address) {
  const [view, ...rest] = address.replace(/^#/, "").split("&");
  const parts = new URLSearchParams(rest.join("&"));
  const place = atFirst();
  const below = (name, count) => {
    const number = parts.has(name) ? Number(parts.get(name)) : NaN;
    return Number.isInteger(number) && number >= 0 && number < count ? number : place[name];
  };
  if (VIEW_NAMES.includes(view)) place.view = view;
  if (parts.get("pass") === "backward") place.pass = "backward";
  const call = page.calls.findIndex((other) => nodeName(other) === parts.get("node"));
  if (call >= 0) place.call = call;
  else if (place.pass === "backward") place.call = page.backward[0];
  place.target = below("target", targetWritten.length);
  place.source = below("source", sourceTokens.length);
  place.head = below("head", page.choice.of_heads);
  if (cellAt(place.call, parts.get("cell"))) place.cell = parts.get("cell");
  if (place.source !== null) place.side = "source";
  return place;
}

let writing = 0;

/** Browsers slow down a page that writes its address at every key press: a short while later. */
function writeAddress(passing) {
  clearTimeout(writing);
  const write = () => history.replaceState(null, "", addressOf(chosen));
  if (passing) writing = setTimeout(write, 200);
  else history.pushState(null, "", addressOf(chosen));
}

function readAddress() {
  Object.assign(chosen, placeAt(location.hash));
  for (const draw of drawers) draw(new Set(Object.keys(chosen)));
}

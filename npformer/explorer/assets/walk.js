// The walk: every step of the forward, then every step of the backward, by button, key or slider.

const walk = { pass: "forward", at: 0, call: page.forward[0] };
const STEPS = page.forward.length;

function walkView() {
  const button = (label, text, act) =>
    h("button", { type: "button", "aria-label": label, onclick: act }, text);
  const slider = h("input", {
    type: "range",
    id: "slider",
    min: 0,
    max: 2 * STEPS - 1,
    value: 0,
    "aria-label": "Step of the forward and the backward",
    oninput: (event) => goTo(Number(event.target.value)),
  });
  byId("view-walk").append(
    h(
      "div",
      { class: "stepper", role: "group", "aria-label": "Steps" },
      h(
        "div",
        { class: "step-buttons" },
        button("First step", "⇤", () => goTo(0)),
        button("Previous step", "◀", () => step(-1)),
        button("Next step", "▶", () => step(1)),
      ),
      h("p", { class: "step-now", id: "step-now" }),
      h(
        "div",
        { class: "slider-box" },
        slider,
        h(
          "div",
          { class: "slider-ends", "aria-hidden": "true" },
          h("span", {}, "→ forward"),
          h("span", {}, "backward ←"),
        ),
      ),
      h(
        "div",
        { class: "step-buttons pass-buttons" },
        h(
          "button",
          { type: "button", id: "to-forward", onclick: () => turn("forward") },
          "Forward",
        ),
        h(
          "button",
          { type: "button", id: "to-backward", onclick: () => turn("backward") },
          "Backward",
        ),
      ),
    ),
    h(
      "div",
      { class: "walk-grid" },
      h("div", { class: "tree-box" }, treeKey(), moduleTree()),
      h("div", { id: "node" }),
    ),
  );
  document.addEventListener("keydown", (event) => {
    if (
      currentView !== "walk" ||
      event.altKey ||
      event.ctrlKey ||
      event.metaKey ||
      event.defaultPrevented
    )
      return;
    if (event.target.matches("input, select, textarea")) return;
    if (event.key === "ArrowRight") {
      event.preventDefault();
      step(1);
    }
    if (event.key === "ArrowLeft") {
      event.preventDefault();
      step(-1);
    }
  });
  goTo(0, { quiet: true });
}

const place = () => (walk.pass === "forward" ? walk.at : STEPS + walk.at);
const step = (by) => goTo(place() + by);

function goTo(to, options) {
  const where = Math.min(Math.max(to, 0), 2 * STEPS - 1);
  walk.pass = where < STEPS ? "forward" : "backward";
  walk.at = where % STEPS;
  walk.call = page[walk.pass][walk.at];
  showStep(options);
}

/** Open a call from the tree: its step of this pass, or, where its parts are the steps, itself. */
function openCall(id) {
  const at = page[walk.pass].indexOf(id);
  if (at >= 0) walk.at = at;
  walk.call = id;
  showStep();
}

/** The same node in the other pass. */
function turn(pass) {
  walk.pass = pass;
  const at = page[pass].indexOf(walk.call);
  if (at >= 0) walk.at = at;
  showStep();
}

function showStep({ quiet = false } = {}) {
  const call = page.calls[walk.call];
  const isStep = page[walk.pass][walk.at] === walk.call;
  const name = walk.pass === "forward" ? "Forward" : "Backward";
  const count = isStep ? `step ${walk.at + 1} of ${STEPS}` : "made of the steps below it";
  document.documentElement.dataset.pass = walk.pass;
  byId("step-now").replaceChildren(
    h("strong", { class: walk.pass }, `${walk.pass === "forward" ? "→" : "←"} ${name}`),
    ` ${count}`,
    h("span", { class: "step-path" }, spoken(call.path, call.use)),
  );
  const slider = byId("slider");
  slider.value = place();
  slider.setAttribute("aria-valuetext", `${name}, ${count}: ${spoken(call.path, call.use)}`);
  byId("to-forward").setAttribute("aria-pressed", String(walk.pass === "forward"));
  byId("to-backward").setAttribute("aria-pressed", String(walk.pass === "backward"));
  redrawNode();
  markTree(walk.call, walk.pass, isStep ? walk.at : -1);
  if (!quiet) announce(`${name}, ${count}: ${spoken(call.path, call.use)}, ${call.kind}`);
}

function redrawNode() {
  byId("node").replaceChildren(nodePanel(walk.call, walk.pass));
}

// The walk: every step of the forward, then every step of the backward, by button, key or slider.

const STEPS = page.forward.length;
const passing = { passing: true };

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
    oninput: (event) => goTo(Number(event.target.value), passing),
  });
  byId("view-walk").append(
    h(
      "div",
      { class: "stepper", role: "group", "aria-label": "Steps" },
      h(
        "div",
        { class: "step-buttons" },
        button("First step", "⇤", () => goTo(0, passing)),
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
          { type: "button", id: "to-forward", onclick: () => choose({ pass: "forward" }) },
          "Forward",
        ),
        h(
          "button",
          { type: "button", id: "to-backward", onclick: () => choose({ pass: "backward" }) },
          "Backward",
        ),
      ),
    ),
    h(
      "div",
      { class: "walk-grid" },
      h("div", { class: "model-box" }, drawingKey(), h("div", { id: "model" })),
      h("div", { id: "node" }),
    ),
  );
  document.addEventListener("keydown", (event) => {
    if (
      chosen.view !== "walk" ||
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
  whenChosen((changed) => {
    if (chosen.view !== "walk") return;
    if (["view", "call", "pass"].some((name) => changed.has(name))) showStep();
    else drawModel();
    markChosen(byId("node"));
    showOrigin();
  });
  whenRecoloured(() => chosen.view === "walk" && redrawNode());
}

/** Of a pass, the steps of a node: itself, or those below it, from the first to the last. */
function stepsOf(id, pass) {
  const last = lastBelow(id);
  return d3.extent(
    page[pass].map((step, at) => (step >= id && step <= last ? at : null)),
  );
}

/** Steps of both passes in one line: a node made of steps lies between the one before and the first. */
function step(by) {
  const [first] = stepsOf(chosen.call, chosen.pass);
  const isStep = page.calls[chosen.call].step;
  const at = (chosen.pass === "forward" ? 0 : STEPS) + first;
  goTo(isStep || by < 0 ? at + by : at, passing);
}

function goTo(to, options) {
  const where = Math.min(Math.max(to, 0), 2 * STEPS - 1);
  const pass = where < STEPS ? "forward" : "backward";
  choose({ pass, call: page[pass][where % STEPS] }, options);
}

const openCall = (id) => choose({ call: id });

function showStep() {
  const { pass } = chosen;
  const call = page.calls[chosen.call];
  const [first, last] = stepsOf(chosen.call, pass);
  const name = pass === "forward" ? "Forward" : "Backward";
  const count = call.step
    ? `step ${first + 1} of ${STEPS}`
    : `made of the steps ${first + 1} to ${last + 1}`;
  document.documentElement.dataset.pass = pass;
  byId("step-now").replaceChildren(
    h("strong", { class: pass }, `${pass === "forward" ? "→" : "←"} ${name}`),
    ` ${count}`,
    h("span", { class: "step-path" }, spoken(call.path, call.use)),
  );
  const slider = byId("slider");
  slider.value = (pass === "forward" ? 0 : STEPS) + first;
  slider.setAttribute("aria-valuetext", `${name}, ${count}: ${spoken(call.path, call.use)}`);
  byId("to-forward").setAttribute("aria-pressed", String(pass === "forward"));
  byId("to-backward").setAttribute("aria-pressed", String(pass === "backward"));
  redrawNode();
  for (let around = callerOf.get(chosen.call); around !== undefined; around = callerOf.get(around))
    if (drawn.opened.get(around) === false) drawn.opened.delete(around);
  drawModel();
  announce(`${name}, ${count}: ${spoken(call.path, call.use)}, ${call.kind}`);
}

function redrawNode() {
  byId("node").replaceChildren(nodePanel(chosen.call, chosen.pass));
  markChosen(byId("node"));
  showOrigin();
}

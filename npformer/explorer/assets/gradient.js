// One target position's loss, and its gradient on its way down: norms by depth and token.

const flow = { at: 0, all: false, timer: 0 };
let positionRow = null;

function gradientView() {
  positionRow = tokenRow(targetWritten, {
    label: "Target positions",
    choose: choosePosition,
    hover: false,
    bars: page.sentence.target.loss,
  });
  const button = (id, label, text, act) =>
    h("button", { type: "button", id, "aria-label": label, onclick: act }, text);
  byId("view-gradient").append(
    h(
      "p",
      { class: "lead" },
      `Choose a target position. Only its loss counts, and this is where the gradient of that loss goes: down the ${targetStack}${hasSource ? `, across to the memory, and down the ${sourceStack}` : ""}.`,
    ),
    h(
      "div",
      { class: "stepper", role: "group", "aria-label": "Target position" },
      h(
        "div",
        { class: "step-buttons" },
        button("back", "Previous position", "◀", () => stepPosition(-1)),
        button("on", "Next position", "▶", () => stepPosition(1)),
        button("play", "Play all positions", "Play", play),
      ),
      h("p", { class: "step-now", id: "position-now" }),
      h(
        "label",
        { class: "choice" },
        h("input", {
          type: "checkbox",
          id: "every",
          onchange: (event) => {
            flow.all = event.target.checked;
            drawFlow(false);
          },
        }),
        leftOut() ? " every operation of the layers on this page" : " every operation",
      ),
    ),
    h("div", { class: "flow-head" }, positionRow.row, h("div", { id: "flow-scale" })),
    h("div", { class: "flow-grid", id: "flow", style: { "--strips": page.stacks.length } }),
    h("div", { id: "flow-table" }),
  );
  document.addEventListener("keydown", (event) => {
    if (
      currentView !== "gradient" ||
      event.defaultPrevented ||
      event.altKey ||
      event.ctrlKey ||
      event.metaKey
    )
      return;
    if (event.target.matches("input, select, textarea, [role=radio], .table-box")) return;
    if (event.key === "ArrowRight") {
      event.preventDefault();
      stepPosition(1);
    }
    if (event.key === "ArrowLeft") {
      event.preventDefault();
      stepPosition(-1);
    }
  });
  choosePosition(0, { quiet: true });
  whenRecoloured(() => drawFlow(false));
}

const stepPosition = (by) =>
  choosePosition(Math.min(Math.max(flow.at + by, 0), targetWritten.length - 1));

function play() {
  if (flow.timer) return stop();
  byId("play").textContent = "Pause";
  if (flow.at === targetWritten.length - 1) choosePosition(0, { playing: true });
  flow.timer = setInterval(() => {
    if (flow.at === targetWritten.length - 1) return stop();
    choosePosition(flow.at + 1, { playing: true });
  }, 1100);
}

function stop() {
  clearInterval(flow.timer);
  flow.timer = 0;
  byId("play").textContent = "Play";
}

function choosePosition(t, { quiet = false, playing = false } = {}) {
  if (flow.timer && !playing) stop();
  flow.at = t;
  positionRow.mark(t);
  const loss = page.sentence.target.loss[t];
  byId("position-now").replaceChildren(
    h("strong", { class: "backward" }, `← position ${t}`),
    ` of 0 to ${targetWritten.length - 1}: ${positionText(t)}`,
    h("span", { class: "step-path" }, `loss ${number(loss)}`),
  );
  drawFlow(!quiet);
  if (!quiet) announce(`Position ${t}, ${targetWritten[t]}, loss ${number(loss)}`);
}

/** The places to draw, from the loss down, with the norms of the chosen position. */
function flowRows() {
  return page.flow
    .filter((place) => flow.all || place.stream)
    .map((place, _, all) => ({
      place,
      name: placeName(place, all),
      norms: d3.range(place.shape[1]).map((s) => entryOf(place, flow.at, s)),
    }));
}

function placeName(place, all) {
  const { path, use } = place;
  if (path === "") return "logits";
  if (use === "input") return "embedding";
  if (place === all.find((other) => other.side === "source") && !flow.all) return "memory";
  if (path === "embedding") return use === "output" ? "output projection" : "looked-up rows";
  const short = path
    .replace(/^(encoder|decoder)\.layers\.(\d+)\b\.?/, "layer $2 · ")
    .replace(/ · $/, "")
    .replace("_proj", "");
  const long = {
    self_attn_residual: "self-attention",
    cross_attn_residual: "cross-attention",
    feed_forward_residual: "feed-forward",
  };
  return flow.all
    ? short.replace(/_residual$/, "_residual +")
    : short.replace(/\w+_residual/, (name) => long[name] ?? name);
}

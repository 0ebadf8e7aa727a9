// One target position's loss, and its gradient on its way down: norms by depth and token.

const flow = { all: false };
let playing = 0;
let positionRow = null;

function gradientView() {
  positionRow = tokenRow(targetWritten, {
    label: "Target positions",
    choose: (i, options) => {
      stop();
      chooseToken("target", i, options);
    },
    joined: page.sentence.target.joined,
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
      chosen.view !== "gradient" ||
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
  whenChosen((changed) => {
    if (chosen.view === "gradient") showPosition(changed.has("target") && !changed.has("view"));
  });
  whenRecoloured(() => drawFlow(false));
}

const lastPosition = targetWritten.length - 1;
const stepPosition = (by) => {
  stop();
  const at = Math.min(Math.max(chosen.target + by, 0), lastPosition);
  chooseToken("target", at, { passing: true });
};

function play() {
  if (playing) return stop();
  byId("play").textContent = "Pause";
  const next = () => chooseToken("target", chosen.target + 1, { passing: true });
  if (chosen.target === lastPosition) chooseToken("target", 0, { passing: true });
  playing = setInterval(() => {
    if (chosen.target === lastPosition || chosen.view !== "gradient") return stop();
    next();
  }, 1100);
}

function stop() {
  clearInterval(playing);
  playing = 0;
  byId("play").textContent = "Play";
}

function showPosition(moving) {
  const t = chosen.target;
  positionRow.mark(t);
  const loss = page.sentence.target.loss[t];
  byId("position-now").replaceChildren(
    h("strong", { class: "backward" }, `← position ${t}`),
    ` of 0 to ${lastPosition}: ${positionText(t)}`,
    h("span", { class: "step-path" }, `loss ${number(loss)}`),
  );
  drawFlow(moving);
  announce(`Position ${t}, ${targetWritten[t]}, loss ${number(loss)}`);
}

/** The places to draw, from the loss down, with the norms of the chosen position. */
function flowRows() {
  return page.flow
    .filter((place) => flow.all || place.stream)
    .map((place, _, all) => ({
      place,
      name: placeName(place, all),
      norms: d3.range(place.shape[1]).map((s) => entryOf(place, chosen.target, s)),
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

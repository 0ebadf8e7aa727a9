// The panel of one node: what it is, its formulas and source, its tensors with their gradients.

const ROLES = { input: "Inputs", between: "In between", output: "Output", parameter: "Parameters" };

function nodePanel(id, pass) {
  const call = page.calls[id];
  const doc = page.docs[call.doc];
  const title = h(
    "header",
    { class: "node-title" },
    h(
      "h2",
      { id: "node-name" },
      call.path || call.kind.toLowerCase(),
      call.use ? h("span", { class: "use" }, ` ${call.use}`) : null,
    ),
    h("p", { class: `pass-flag ${pass}` }, pass === "forward" ? "→ forward" : "← backward"),
    h("p", { class: "node-kind" }, doc.title),
  );
  const facts = h(
    "dl",
    { class: "node-facts" },
    h("div", {}, h("dt", {}, "Kind"), h("dd", {}, h("code", {}, call.kind))),
    h("div", {}, h("dt", {}, "Maps"), h("dd", {}, h("code", {}, signature(call, pass)))),
    settingsText(call) &&
      h("div", {}, h("dt", {}, "With"), h("dd", {}, h("code", {}, settingsText(call)))),
    h("div", {}, h("dt", {}, "Kept for the backward"), h("dd", {}, bytes(call.bytes))),
  );
  const explained = formulas(doc, pass);
  const source = [sourceHeading(pass), sources(doc, pass)];
  return h(
    "article",
    { class: "node", "aria-labelledby": "node-name" },
    title,
    facts,
    h(
      "div",
      { class: "node-top" },
      h(
        "section",
        { class: "card", "aria-label": explained.length ? "Formulas" : "Source" },
        explained.length ? explained : source, // what only calls others has no formula of its own
        chapterLine(doc),
      ),
      h(
        "section",
        { class: "card", "aria-label": "Error" },
        h("h3", {}, "NumPy against PyTorch"),
        errorMeter(call.error),
      ),
    ),
    h("section", { class: "card", "aria-label": "Tensors" }, tensorHeading(), tensors(call, pass)),
    h("aside", { id: "origin", "aria-label": "Where a number comes from" }),
    explained.length ? h("section", { class: "card", "aria-label": "Source" }, source) : null,
  );
}

/** "causal, window 3, eps 1e-5": the arguments that are no arrays; what is false is left out. */
function settingsText({ settings }) {
  return Object.entries(settings)
    .filter(([, value]) => value !== false)
    .map(([name, value]) => {
      const shown = typeof value === "number" ? number(value) : value;
      return value === true ? name : `${name} ${shown}`;
    })
    .join(", ");
}

/** "x (1, 12, 128) → y (1, 12, 128)", or the same for the gradients. */
function signature(call, pass) {
  const one = (tensor, gradient) => {
    const at = gradient ? tensor.gradient : tensor.value;
    return at === null
      ? null
      : `${gradient ? "d" : ""}${tensor.name} ${shapeText(page.arrays[at].shape)}`;
  };
  const of = (roles, gradient) =>
    call.tensors
      .filter((t) => roles.includes(t.role))
      .map((t) => one(t, gradient))
      .filter(Boolean)
      .join(", ");
  return pass === "forward"
    ? `${of(["input"], false)} → ${of(["output"], false)}`
    : `${of(["output"], true)} → ${of(["input", "parameter"], true) || "nothing"}`;
}

function tensorHeading() {
  const choice = h(
    "select",
    {
      id: "scale",
      onchange: (event) => {
        settings.root = event.target.value === "root";
        redrawNode();
        byId("scale").focus();
      },
    },
    h("option", { value: "linear", selected: !settings.root }, "linear"),
    h("option", { value: "root", selected: settings.root }, "square root: small values show"),
  );
  return h(
    "div",
    { class: "card-head" },
    h("h3", {}, "Tensors"),
    h("label", { class: "choice" }, "Colour scale ", choice),
  );
}

function tensors(call, pass) {
  const column = (way) =>
    h(
      "span",
      { class: `column-name ${way}${way === pass ? " now" : ""}` },
      way === "forward" ? "→ value" : "← gradient of the loss",
    );
  const rows = [
    h(
      "div",
      { class: "tensor-columns", "aria-hidden": "true" },
      column("forward"),
      column("backward"),
    ),
  ];
  for (const [role, heading] of Object.entries(ROLES)) {
    const found = call.tensors.filter((tensor) => tensor.role === role);
    if (!found.length) continue;
    rows.push(h("h4", { class: "role" }, heading));
    for (const tensor of found)
      rows.push(
        h("div", { class: `tensor-pair ${pass}` }, side(tensor, false), side(tensor, true)),
      );
  }
  return h("div", { class: "tensors" }, rows);
}

function side(tensor, gradient) {
  const at = gradient ? tensor.gradient : tensor.value;
  const name = gradient ? `d${tensor.name}` : tensor.name;
  if (at === null)
    return h(
      "div",
      { class: "tensor none" },
      h("span", { class: "tensor-name" }, name),
      h("span", { class: "muted" }, why(tensor, gradient)),
    );
  const label = gradient ? `gradient of ${tensor.name}` : tensor.name;
  return heatmap(page.arrays[at], { name, label, side: tensor.side, keys: tensor.keys });
}

function why(tensor, gradient) {
  if (!gradient) return " not kept: the forward overwrites it";
  const array = page.arrays[tensor.value];
  return array.type === "i32"
    ? " none: integers and masks have no gradient"
    : " not kept: the backward never forms it";
}

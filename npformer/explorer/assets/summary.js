// The head of the page: both sentences, the model's sizes, and the loss of each target token.

function summary() {
  const { source, target } = page.sentence;
  const worst = Math.max(...target.loss);
  const tokens = targetWritten.map((token, t) => {
    const [likeliest, chance] = target.guesses[t][0];
    const guesses = target.guesses[t]
      .map(([name, p]) => `${name} ${(100 * p).toFixed(1)} %`)
      .join(", ");
    const missed = likeliest !== token;
    return h(
      "li",
      {},
      h(
        "button",
        {
          type: "button",
          class: `loss-token${missed ? " missed" : ""} ${wordMarks(target.joined, t)}`,
          "aria-label": `${token}${partOf(targetWritten, target.joined, t)}, loss ${number(target.loss[t])}; likeliest: ${guesses}. Show its gradient.`,
          onclick: () => choose({ side: "target", target: t, view: "gradient" }),
          onpointerenter: () => detail(t),
          onfocus: () => detail(t),
          onpointerleave: () => detail(chosen.target),
        },
        h("span", {
          class: "loss-bar",
          "aria-hidden": "true",
          style: { "--part": Math.max(3, (100 * target.loss[t]) / (worst || 1)) },
        }),
        h("span", { class: "loss-name" }, token),
      ),
    );
  });
  const note = h("p", { class: "loss-detail" });
  function detail(t) {
    const guesses = target.guesses[t]
      .map(([name, p]) => `${name} ${(100 * p).toFixed(1)} %`)
      .join(" · ");
    const part = partOf(targetWritten, target.joined, t);
    note.textContent = `${positionText(t)}${part}: loss ${number(target.loss[t])}. Likeliest: ${guesses}`;
  }
  whenChosen((changed) => {
    if (!changed.has("target")) return;
    tokens.forEach((token, t) => token.classList.toggle("chosen", t === chosen.target));
    detail(chosen.target);
  });
  byId("summary").append(
    h(
      "div",
      { class: "sentences" },
      h("h1", { class: "source-text", lang: "und" }, hasSource ? source.text : target.text),
      hasSource ? translation(target.text) : null,
    ),
    h(
      "div",
      { class: "losses" },
      h(
        "p",
        { class: "loss-against" },
        "Loss of each token against ",
        h("strong", {}, page.against),
        `, in nats; the mean is ${number(page.loss)}`,
      ),
      h("ol", { class: "loss-tokens", "aria-label": "Target tokens and their losses" }, tokens),
      note,
    ),
  );
  byId("facts").append(
    ...page.facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
  if (leftOut()) byId("main").prepend(h("p", { class: "lead" }, leftOut()));
  byId("foot").append(
    h(
      "p",
      {},
      "Numbers are kept to three digits; shape, range and root mean square are of the whole tensor. Gradients are of the mean loss of the sentence's tokens, unless a position is chosen.",
    ),
    h(
      "p",
      {},
      `Written by npformer ${page.version}. Charts: Observable Plot and D3, ISC licence. This file asks for nothing from any network.`,
    ),
  );
}

function translation(text) {
  return h(
    "p",
    { class: "target-text", lang: "und" },
    h("span", { class: "arrow", "aria-hidden": "true" }, "→ "),
    unseen("Translation: "),
    text,
  );
}

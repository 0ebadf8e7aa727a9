// What an operation computes: the blocks of its file's docstring, its source lines, its error.

function formulas(doc, pass) {
  const block = (way, mark) =>
    doc[way] === undefined
      ? null
      : h(
          "section",
          { class: `formula ${way}${way === pass ? " now" : ""}`, "aria-label": `${way} formula` },
          h(
            "h4",
            {},
            h("span", { "aria-hidden": "true" }, mark),
            way === "forward" ? " Formula of the forward" : " Formula of the backward",
          ),
          h("pre", { tabindex: 0 }, doc[way]),
        );
  const other = pass === "forward" ? "backward" : "forward";
  const marks = { forward: "→", backward: "←" };
  return [
    block(pass, marks[pass]),
    doc.about ? h("pre", { class: "about", tabindex: 0 }, doc.about) : null,
    doc[other] === undefined
      ? null
      : h(
          "details",
          {},
          h(
            "summary",
            {},
            other === "forward" ? "Formula of the forward" : "Formula of the backward",
          ),
          h("pre", { tabindex: 0 }, doc[other]),
        ),
    doc.shapes
      ? h("details", {}, h("summary", {}, "Shapes"), h("pre", { tabindex: 0 }, doc.shapes))
      : null,
    doc.reading
      ? h("details", {}, h("summary", {}, "How to read it"), h("pre", { tabindex: 0 }, doc.reading))
      : null,
  ].filter(Boolean);
}

function sources(doc, pass) {
  const [forward, backward] = doc.sources;
  const listing = pass === "forward" ? forward : backward;
  return h(
    "div",
    { class: "listing" },
    h(
      "p",
      { class: "where" },
      `${listing.file}, lines ${listing.first} to ${listing.first + listing.lines.length - 1}`,
    ),
    h(
      "pre",
      { class: "code", tabindex: 0, "aria-label": `Source of the ${pass}` },
      h(
        "code",
        {},
        listing.lines.map((line, i) =>
          h(
            "span",
            { class: "line" },
            h("span", { class: "line-number", "aria-hidden": "true" }, String(listing.first + i)),
            h(
              "span",
              { class: "line-text" },
              line.map(([text, style]) =>
                style ? h("span", { class: `code-${style}` }, text) : text,
              ),
              "\n",
            ),
          ),
        ),
      ),
    ),
  );
}

/** The source of this pass, with where it stands. */
function sourceHeading(pass) {
  return h("h3", {}, pass === "forward" ? "Source of the forward" : "Source of the backward");
}

function chapterLine(doc) {
  if (!doc.chapter) return null;
  const { number: n, name, path } = doc.chapter;
  return h(
    "p",
    { class: "chapter" },
    "Derived step by step in chapter ",
    h("strong", {}, `${n}, ${name}`),
    h("span", { class: "muted" }, ` · ${path}`),
  );
}

/** The error of a node against the twin, on a line from 0 to 8 rounding units. */
function errorMeter(error) {
  if (!page.measured) {
    return h(
      "p",
      { class: "unmeasured" },
      "Not measured: this page was written without PyTorch. After ",
      h("code", {}, "pip install -e '.[verify]'"),
      " in npformer's checkout, the same command measures it.",
    );
  }
  if (!error) return h("p", { class: "unmeasured" }, "Not measured at this node; its parts are.");
  const line = (name, value) => {
    const right = value !== null && value <= 4; // null: not a number
    return h(
      "div",
      { class: "meter-row" },
      h("span", { class: "meter-name" }, name),
      h(
        "span",
        { class: "meter", "aria-hidden": "true" },
        h("span", {
          class: "meter-fill",
          style: { width: `${value === null ? 100 : Math.min(100, (100 * value) / 8)}%` },
        }),
        h("span", { class: "meter-limit" }),
      ),
      h(
        "span",
        { class: `meter-value ${right ? "right" : "off"}` },
        value === null ? "NaN " : `${value.toFixed(2)} `,
        right ? "✓" : "✗ off",
      ),
    );
  };
  return h(
    "div",
    { class: "meters" },
    line("forward", error[0]),
    line("gradient", error[1]),
    h(
      "p",
      { class: "muted small" },
      "Error in rounding units: multiples of the rounding error that cannot be avoided here. Errors up to 4, the mark, pass.",
      error.some((value) => value > 4)
        ? " A ReLU whose input is within rounding of 0 may be on here and off there, and is no error."
        : null,
    ),
  );
}

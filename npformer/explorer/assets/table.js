// Numbers as shaded cells of a real table, so that a screen reader reads it by row and column.

const percent = (part) => (part < 0.005 ? "·" : String(Math.round(100 * part)));

/** What 100 stands for in the rows that are in percent of their largest. */
function whole(rows) {
  const named = rows.filter((row) => row.most).map((row) => row.most);
  return named.length ? ` 100 in an orange row is its largest norm: ${named.join(", ")}.` : null;
}

/** Which tokens go on with a word; what is read is what was written, a position later. */
function joinedOf(tokens) {
  const { source, target } = page.sentence;
  if (tokens === sourceTokens) return source.joined;
  return tokens === targetRead && page.causal ? [false, ...target.joined] : target.joined;
}

/** A row's name that chooses it, and keeps the focus while the table is drawn anew. */
function rowButton(row) {
  return h(
    "button",
    {
      type: "button",
      class: "row-button",
      "aria-pressed": String(Boolean(row.chosen)),
      onclick: (event) => {
        const table = event.target.closest("section").getAttribute("aria-label");
        row.choose();
        const again = document.querySelector(`section[aria-label="${CSS.escape(table)}"]`);
        [...(again?.querySelectorAll(".row-button") ?? [])]
          .find((button) => button.textContent === row.name)
          ?.focus();
      },
    },
    row.name,
  );
}

/** Rows with `name`, `cells` and how to `show` one, under tokens; `last` is the last token seen. */
function heatTable(title, tokens, rows, { note, last = tokens.length - 1 }) {
  const cell = (row, value, c) => {
    if (c > last)
      return h(
        "td",
        { class: "hidden-cell", title: "hidden by the causal mask" },
        unseen("hidden"),
      );
    const [colour, text, full] = row.show(value);
    return h(
      "td",
      {
        style: { "background-color": colour, color: inkOn(colour) },
        title: `${row.name}, “${tokens[c]}”: ${full}`,
      },
      text,
    );
  };
  return h(
    "section",
    { class: "card look", "aria-label": title },
    h("h3", {}, title),
    h(
      "div",
      { class: "table-box", tabindex: 0, role: "group", "aria-label": `${title}, table` },
      h(
        "table",
        { class: "heat-table" },
        h("caption", { class: "unseen" }, title),
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("td", {}),
            tokens.map((token, i) =>
              h(
                "th",
                { scope: "col", class: wordMarks(joinedOf(tokens), i) },
                h("span", { class: "column-token" }, token),
              ),
            ),
          ),
        ),
        h(
          "tbody",
          {},
          rows.map((row) =>
            h(
              "tr",
              {
                class: ["first", "near", "chosen"].filter((name) => row[name]).join(" ") || null,
              },
              h("th", { scope: "row" }, row.choose ? rowButton(row) : row.name),
              row.cells.map((value, c) => cell(row, value, c)),
            ),
          ),
        ),
      ),
    ),
    h("p", { class: "muted small" }, note, whole(rows)),
  );
}

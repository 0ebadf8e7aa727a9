// The gradient's norms as tables, for those who would rather read them.

/** The same numbers as a table. */
function flowTable(rows) {
  const one = (side) => {
    const tokens = side === "source" ? sourceTokens : targetRead;
    return h(
      "div",
      {
        class: "table-box",
        tabindex: 0,
        role: "group",
        "aria-label": `Gradient norms at the ${side} tokens, table`,
      },
      h(
        "table",
        { class: "plain-table" },
        h("caption", {}, `Gradient norms at the ${side} tokens, position ${chosen.target}`),
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("td", {}),
            tokens.map((token) => h("th", { scope: "col" }, token)),
          ),
        ),
        h(
          "tbody",
          {},
          rows
            .filter(({ place }) => place.side === side)
            .map(({ name, norms }) =>
              h(
                "tr",
                {},
                h("th", { scope: "row" }, name),
                norms.map((norm) => h("td", {}, number(norm))),
              ),
            ),
        ),
      ),
    );
  };
  const open = byId("flow-table").querySelector("details")?.open;
  return h(
    "details",
    { class: "card", open: Boolean(open) },
    h("summary", {}, "The same numbers as tables"),
    one("target"),
    hasSource ? one("source") : null,
  );
}

// Every position's attention at once.

/** A small map a head of every layer; the row of the chosen position is framed. */
function overview(kind, query) {
  const byKeys = kind === "target" ? targetRead : sourceTokens;
  const byQueries = kind === "source" ? sourceTokens : targetWritten;
  const figures = maps(kind).flatMap(({ path, array }) => {
    const entry = page.arrays[array];
    const [heads, queries, keys] = entry.view;
    const data = values(entry);
    return d3.range(heads).map((head) => {
      const canvas = h("canvas", {
        width: keys,
        height: queries,
        role: "img",
        "aria-label": `${KINDS[kind].title}, layer ${layerOf(path)}, head ${headOf(entry, head)}: ${queries} positions by ${keys} tokens`,
      });
      paint(
        canvas,
        "size",
        data
          .subarray(head * queries * keys, (head + 1) * queries * keys)
          .map((part) => Math.min(part, 1)),
      );
      canvas.addEventListener("click", (event) => {
        const box = canvas.getBoundingClientRect();
        const at = Math.floor(((event.clientY - box.top) / box.height) * queries);
        const side = kind === "source" ? "source" : "target";
        chooseHead(path, headOf(entry, head), { side, [side]: Math.min(queries - 1, at) });
      });
      canvas.addEventListener("pointermove", (event) => {
        const box = canvas.getBoundingClientRect();
        const q = Math.min(
          queries - 1,
          Math.max(0, Math.floor(((event.clientY - box.top) / box.height) * queries)),
        );
        const k = Math.min(
          keys - 1,
          Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * keys)),
        );
        canvas.title = `“${byQueries[q]}” to “${byKeys[k]}”: ${(100 * data[(head * queries + q) * keys + k]).toFixed(1)} %`;
      });
      return h(
        "figure",
        { class: isChosenHead(path, headOf(entry, head)) ? "mini chosen" : "mini" },
        h(
          "div",
          { class: "frame" },
          canvas,
          h("div", {
            class: "row-mark",
            "aria-hidden": "true",
            style: { top: `${(100 * query) / queries}%`, height: `${100 / queries}%` },
          }),
        ),
        h("figcaption", {}, `layer ${layerOf(path)} · head ${headOf(entry, head)}`),
      );
    });
  });
  return h(
    "section",
    { class: "card", "aria-label": `${KINDS[kind].title}, all positions` },
    h("h3", {}, `${KINDS[kind].title}, all positions`),
    h(
      "p",
      { class: "muted small" },
      "A row is a position that looks, a column a token that is looked at. Click a row to choose it and the head.",
    ),
    h("div", { class: "minis" }, figures),
  );
}

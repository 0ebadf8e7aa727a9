// A row of tokens of which one is chosen, by a click, or by Tab and arrows.

/** `choose(index, options)` hears of every choice; `mark(index)` of the returned object shows one. */
function tokenRow(tokens, { label, choose, bars = null }) {
  const most = bars ? Math.max(...bars) || 1 : 1;
  const items = tokens.map((token, i) =>
    h(
      "button",
      {
        type: "button",
        role: "radio",
        class: "token",
        tabindex: i ? -1 : 0,
        "aria-checked": "false",
        "aria-label": `${token}, position ${i}${bars ? `, loss ${number(bars[i])}` : ""}`,
        onclick: () => choose(i, {}),
      },
      bars
        ? h("span", {
            class: "token-bar",
            "aria-hidden": "true",
            style: { width: `${(100 * bars[i]) / most}%` },
          })
        : null,
      token,
    ),
  );
  const row = h("div", { class: "token-row", role: "radiogroup", "aria-label": label }, items);
  roving(row, () => items, (i) => choose(i, { passing: true }));
  return {
    row,
    mark(index) {
      items.forEach((item, i) => {
        item.setAttribute("aria-checked", String(i === index));
        item.tabIndex = i === Math.max(index, 0) ? 0 : -1;
      });
    },
  };
}

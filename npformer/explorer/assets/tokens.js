// A row of tokens of which one is chosen, by a click, or by Tab and arrows.

/** Of a token of a word that is cut in several: whether it is its first, or goes on. */
function wordMarks(joined, i) {
  return [joined[i] && "joined", joined[i + 1] && "goes-on"].filter(Boolean).join(" ");
}

/** ", part of “washes”" of a token that is not a whole word. */
function partOf(tokens, joined, i) {
  let [first, last] = [i, i];
  while (joined[first]) first--;
  while (joined[last + 1]) last++;
  const word = tokens.slice(first, last + 1).map((token) => token.replace(/^##|▁/, ""));
  const cut = word.some((token) => token.startsWith("‹")); // bytes do not spell it
  return first === last || cut ? "" : `, part of “${word.join("")}”`;
}

/** `choose(index, options)` hears of every choice; `mark(index)` of the returned object shows one. */
function tokenRow(tokens, { label, choose, joined, bars = null }) {
  const most = bars ? Math.max(...bars) || 1 : 1;
  const items = tokens.map((token, i) =>
    h(
      "button",
      {
        type: "button",
        role: "radio",
        class: `token ${wordMarks(joined, i)}`,
        tabindex: i ? -1 : 0,
        "aria-checked": "false",
        "aria-label": `${token}${partOf(tokens, joined, i)}, position ${i}${bars ? `, loss ${number(bars[i])}` : ""}`,
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

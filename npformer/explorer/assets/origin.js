// Where a number comes from: the row and the column whose product a cell is, marked, and their sum.

/** What an address or a click names as a cell of a call's tensors; null where there is none. */
function cellAt(id, text) {
  const [name, ...numbers] = (text ?? "").split(",");
  const entry = entryNamed(id, name);
  if (!entry || numbers.length !== 3 || entry.block[0] * entry.block[1] > 1) return null;
  const at = numbers.map(Number);
  const inside = (n, i) => Number.isInteger(n) && n >= 0 && n < entry.view[i];
  return at.every(inside) ? { name, entry, panel: at[0], row: at[1], column: at[2] } : null;
}

/** The array of a call's tensor, "dq" being the gradient of "q". */
function entryNamed(id, name) {
  const { tensors } = page.calls[id];
  const value = tensors.find((tensor) => tensor.name === name)?.value;
  const gradient = tensors.find((tensor) => `d${tensor.name}` === name)?.gradient;
  return page.arrays[value ?? gradient] ?? null;
}

/** The line of a factor that a cell needs: its numbers, and where it is marked. */
function lineOf(id, [name, way], cell, at) {
  const entry = entryNamed(id, name);
  const [panels, rows, columns] = entry.view;
  // Of a key's head that serves several queries' there is one panel.
  const panel = Math.floor((cell.panel * panels) / cell.entry.view[0]);
  const [high, wide] = entry.block;
  const line = { name, way, at, panel, rows, columns, step: way === "row" ? high : wide };
  if (high * wide > 1) return { ...line, numbers: null };
  const data = values(entry).subarray(panel * rows * columns, (panel + 1) * rows * columns);
  const numbers =
    way === "row"
      ? [...data.subarray(at * columns, (at + 1) * columns)]
      : d3.range(rows).map((row) => data[row * columns + at]);
  return { ...line, numbers };
}

function showOrigin() {
  const box = byId("origin");
  if (!box) return;
  for (const mark of byId("node").querySelectorAll(".origin-mark")) mark.remove();
  const cell = cellAt(chosen.call, chosen.cell);
  box.replaceChildren(...(cell ? origin(cell) : []));
  if (cell) announce(box.firstChild.textContent);
}

function origin(cell) {
  const { name, entry, panel, row, column } = cell;
  const value = values(entry)[(panel * entry.view[1] + row) * entry.view[2] + column];
  const rule = page.calls[chosen.call].products.find(({ of }) => of === name);
  markLine({ name, panel, rows: entry.view[1], columns: entry.view[2], row, column });
  const is = [h("b", {}, `${name}[${indexText(entry, panel, row, column)}] = ${number(value)}`)];
  const close = h(
    "button",
    { type: "button", "aria-label": "Close", onclick: () => choose({ cell: null }) },
    "×",
  );
  if (value === HIDDEN)
    return [h("p", {}, is, " is hidden by a mask, and the softmax gives it 0."), close];
  if (!rule)
    return [h("p", {}, is, ". It is no sum of products of this node's tensors: see the formula."), close];
  const lines = [lineOf(chosen.call, rule.left, cell, row), lineOf(chosen.call, rule.right, cell, column)];
  lines.forEach(markWhole);
  const named = lines.map(({ name: of, way, at }) => [
    `${way} ${at}${tokenOf(of, way, at)} of `,
    h("b", {}, of),
  ]);
  const factor = rule.times === 1 ? "" : `${number(rule.times)} × `;
  const bias = rule.bias ? values(entryNamed(chosen.call, rule.bias))[column] : null;
  const ends = bias === null || bias === undefined ? "" : ` + ${number(bias)}`;
  const said = h(
    "p",
    {},
    is,
    ` is ${factor}the sum over ${lengthOf(lines)} products: `,
    named[0],
    " times ",
    named[1],
    rule.bias ? [", plus entry ", String(column), " of ", h("b", {}, rule.bias)] : null,
    ".",
  );
  return [said, close, h("p", { class: "terms", tabindex: 0 }, termsOf(lines, factor, ends, value))];
}

/** “jacket”, where the rows of a tensor are tokens. */
function tokenOf(name, way, at) {
  const { tensors } = page.calls[chosen.call];
  const { side } = tensors.find((tensor) => name === tensor.name || name === `d${tensor.name}`);
  const tokens = { source: sourceTokens, target: targetRead }[side];
  return way === "row" && tokens && at < tokens.length ? ` “${tokens[at]}”` : "";
}

const lengthOf = ([left, right]) => (left.numbers ?? right.numbers)?.length ?? "all the";

function termsOf([left, right], factor, ends, value) {
  const pooled = [left, right].filter(({ numbers }) => !numbers).map(({ name }) => name);
  if (pooled.length)
    return `${pooled.join(" and ")} is pooled on this page, so its single numbers are not here.`;
  const signed = (b) => (b < 0 ? `(${number(b)})` : number(b));
  const terms = left.numbers.map((a, i) => `${signed(a)}·${signed(right.numbers[i])}`);
  return `${factor}( ${terms.join(" + ")} )${ends} = ${number(value)}`;
}

/** Outline a row or a column of a factor. */
function markWhole({ name, way, panel, at, rows, columns, step }) {
  const cell = Math.floor(at / step);
  if (way === "row") markLine({ name, panel, rows, columns, row: cell });
  else markLine({ name, panel, rows, columns, column: cell });
}

function markLine({ name, panel, rows, columns, row = null, column = null }) {
  const figure = byId("node").querySelector(`[data-tensor="${CSS.escape(name)}"]`);
  const frame = figure?.querySelector(`[data-panel="${panel}"] .frame`);
  const [top, height] = row === null ? [0, 100] : [(100 * row) / rows, 100 / rows];
  const [left, width] = column === null ? [0, 100] : [(100 * column) / columns, 100 / columns];
  const box = { top, height, left, width };
  const style = Object.fromEntries(Object.entries(box).map(([key, part]) => [key, `${part}%`]));
  frame?.append(h("div", { class: "origin-mark", "aria-hidden": "true", style }));
}

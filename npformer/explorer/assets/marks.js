// What is chosen, marked where it is shown: rows of tokens and panels of heads.

/** In heat maps below `box`: the row of the chosen token, and the panel of the chosen head. */
function markChosen(box) {
  for (const frame of box.querySelectorAll(".frame[data-side]")) {
    const { side, rows } = frame.dataset;
    const at = chosenToken(side);
    frame.querySelector(".row-mark").style.cssText =
      at === null ? "display:none" : `top:${(100 * at) / rows}%;height:${100 / rows}%`;
    const names = frame.parentElement.querySelectorAll(".row-names li");
    names.forEach((name, row) => name.classList.toggle("chosen", row === at));
  }
  for (const panel of box.querySelectorAll(".panel[data-head]")) {
    const here = chosen.head !== null && Number(panel.dataset.head) === headFor(panel.dataset.heads);
    panel.classList.toggle("chosen", here);
    panel.querySelector(".head-name")?.setAttribute("aria-pressed", String(here));
  }
}

/** The head of a tensor of so many heads that the chosen one reads: a key's may serve several. */
const headFor = (heads) => Math.floor((chosen.head * heads) / page.choice.of_heads);

/** A head's name, which chooses it, or again none. */
function headName(head, heads) {
  const serves = page.choice.of_heads / heads;
  const to = Math.floor(head * serves);
  return h(
    "button",
    {
      type: "button",
      class: "head-name",
      onclick: () => choose({ head: chosen.head !== null && headFor(heads) === head ? null : to }),
    },
    `head ${head}`,
  );
}

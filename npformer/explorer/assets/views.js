// The three views as tabs, and the start of the page.

const VIEWS = {
  walk: { name: "Walk both passes", start: walkView },
  tokens: { name: "Attention by token", start: tokensView },
  gradient: { name: "Gradient by position", start: gradientView },
};

function tabs() {
  const items = VIEW_NAMES.map((name) =>
    h(
      "button",
      {
        type: "button",
        role: "tab",
        id: `tab-${name}`,
        "aria-controls": `view-${name}`,
        onclick: () => choose({ view: name }),
      },
      VIEWS[name].name,
    ),
  );
  byId("tabs").append(...items);
  roving(
    byId("tabs"),
    () => items,
    (i) => choose({ view: VIEW_NAMES[i] }),
  );
  for (const name of VIEW_NAMES) {
    byId(`view-${name}`).setAttribute("role", "tabpanel");
    byId(`view-${name}`).setAttribute("aria-labelledby", `tab-${name}`);
  }
  whenChosen((changed) => changed.has("view") && showView());
}

function showView() {
  for (const name of VIEW_NAMES) {
    const here = name === chosen.view;
    byId(`view-${name}`).hidden = !here;
    byId(`tab-${name}`).setAttribute("aria-selected", String(here));
    byId(`tab-${name}`).tabIndex = here ? 0 : -1;
  }
}

/** A link to #main would be an address of this page, which names a view. */
function skipLink() {
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    byId("main").focus();
  });
}

skipLink();
tabs(); // first, so that a view is drawn when it is visible
summary();
for (const name of VIEW_NAMES) VIEWS[name].start();
applyTheme();
readAddress();
addEventListener("popstate", readAddress);
let resizing = 0;
addEventListener("resize", () => {
  clearTimeout(resizing);
  resizing = setTimeout(() => drawFlow(false), 150);
});

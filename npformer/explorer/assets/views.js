// The three views as tabs, and the start of the page.

const VIEWS = {
  walk: { name: "Walk both passes", start: walkView },
  tokens: { name: "Attention by token", start: tokensView },
  gradient: { name: "Gradient by position", start: gradientView },
};
let currentView = "walk";

function tabs() {
  const names = Object.keys(VIEWS);
  const items = names.map((name) =>
    h(
      "button",
      {
        type: "button",
        role: "tab",
        id: `tab-${name}`,
        "aria-controls": `view-${name}`,
        onclick: () => showView(name),
      },
      VIEWS[name].name,
    ),
  );
  byId("tabs").append(...items);
  roving(
    byId("tabs"),
    () => items,
    (i) => showView(names[i]),
  );
  for (const name of names) {
    byId(`view-${name}`).setAttribute("role", "tabpanel");
    byId(`view-${name}`).setAttribute("aria-labelledby", `tab-${name}`);
  }
}

function showView(name) {
  currentView = name;
  for (const other of Object.keys(VIEWS)) {
    const here = other === name;
    byId(`view-${other}`).hidden = !here;
    byId(`tab-${other}`).setAttribute("aria-selected", String(here));
    byId(`tab-${other}`).tabIndex = here ? 0 : -1;
  }
  if (name === "gradient") drawFlow(false);
}

// The page's address may end in #walk, #tokens or #gradient.
function showAddressed() {
  const name = location.hash.slice(1);
  showView(Object.hasOwn(VIEWS, name) ? name : "walk");
}

summary();
tabs();
for (const view of Object.values(VIEWS)) view.start();
whenRecoloured(redrawNode);
applyTheme();
showAddressed();
addEventListener("hashchange", showAddressed);
let resizing = 0;
addEventListener("resize", () => {
  clearTimeout(resizing);
  resizing = setTimeout(() => drawFlow(false), 150);
});

// Where the parts of one call stand: in rows, from what comes in below to what goes out above.

const GAP = 13; // between rows

/**
 * `boxes` by node, each with its size `w`, `h` and where the stream enters and leaves it, `inX` and
 * `outX`. Returns the size of all, and `at` and `edges` with y counted upwards.
 */
function inRows(nodes, links, boxes, beside = 9) {
  const rank = new Map();
  for (const node of nodes) {
    const below = links.filter(({ target }) => target === node).map(({ source }) => rank.get(source) ?? -1);
    rank.set(node, Math.max(-1, ...below) + 1);
  }
  const top = Math.max(0, ...rank.values()) + 1;
  const ports = [...new Set(links.map(({ source }) => source))].filter((end) => !rank.has(end));
  const rows = d3.range(top + 2).map(() => []); // row 0 holds the ports, the last what goes out
  const slots = new Map(boxes);
  const slot = (key, row, w = 0) => {
    if (!slots.has(key)) slots.set(key, { w, h: 0, inX: w / 2, outX: w / 2 });
    rows[row].push(key);
    return key;
  };
  ports.forEach((port) => slot(port, 0, ports.length > 1 ? 6.2 * port.length : 0));
  nodes.forEach((node) => rows[rank.get(node) + 1].push(node));
  const routes = links.map(({ source, target, seen }, i) => {
    const last = rank.has(target) ? rank.get(target) + 1 : top + 1;
    if (!rank.has(target) && !rows[top + 1].includes(target)) slot(target, top + 1);
    const first = rank.has(source) ? rank.get(source) + 1 : 0;
    // A link that passes a row has a slot there, so that nothing stands in its way.
    const passed = d3.range(first + 1, last).map((row) => slot(`${i}|${row}`, row, 4));
    return { way: [source, ...passed, target], source, target, seen };
  });
  const steps = routes.flatMap(({ way }) => d3.pairs(way));
  const x = new Map();
  const middle = (key, side) => x.get(key) + slots.get(key)[side];
  // Every node of a row as near as can be to the ends of its links in the row beside.
  const settle = (row, from, to) => {
    const [near, far] = from ? ["outX", "inX"] : ["inX", "outX"];
    const wanted = new Map(
      row.map((key) => {
        const others = steps.filter((pair) => pair[to] === key);
        return [key, d3.mean(others, (pair) => middle(pair[from], far)) ?? middle(key, near)];
      }),
    );
    row.sort((a, b) => wanted.get(a) - wanted.get(b));
    let right = -Infinity;
    const left = (key) => wanted.get(key) - slots.get(key)[near];
    for (const key of row) {
      x.set(key, Math.max(left(key), right));
      right = x.get(key) + slots.get(key).w + beside;
    }
    const off = d3.mean(row, (key) => x.get(key) - left(key)) ?? 0;
    for (const key of row) x.set(key, x.get(key) - off);
  };
  rows.forEach((row) => {
    let right = 0;
    for (const key of row) {
      x.set(key, right);
      right += slots.get(key).w + beside;
    }
  });
  for (let sweep = 0; sweep < 3; sweep++) {
    rows.slice(1).forEach((row) => settle(row, 0, 1));
    if (sweep < 2) rows.slice(0, -1).reverse().forEach((row) => settle(row, 1, 0));
  }
  settle(rows[0], 1, 0);
  // What stands alone reads nothing and is read from aside: to the left, where that line is.
  const alone = nodes.filter((node) => !steps.some((pair) => pair.includes(node)));
  for (const node of alone) {
    const rest = [...x].filter(([key]) => !alone.includes(key)).map(([, value]) => value);
    x.set(node, Math.min(...rest) - slots.get(node).w - 3 * beside);
  }
  const left = Math.min(...[...x.values()]);
  const y = new Map();
  let up = 0;
  rows.forEach((row, i) => {
    for (const key of row) y.set(key, up);
    const h = Math.max(0, ...row.map((key) => slots.get(key).h));
    up += h + (i === 0 && ports.length > 1 ? 12 : i === rows.length - 1 ? 0 : GAP);
  });
  const at = new Map([...x].map(([key, value]) => [key, { x: value - left, y: y.get(key) }]));
  const edges = routes.map(({ way, source, target, seen }) => ({
    source,
    target,
    seen,
    points: way.flatMap((key, i) => {
      const { h, inX, outX } = slots.get(key);
      const place = at.get(key);
      const enters = [place.x + inX, place.y];
      const leaves = [place.x + outX, place.y + h];
      return i === 0 ? [leaves] : i === way.length - 1 ? [enters] : [enters, leaves];
    }),
  }));
  const w = Math.max(...[...at].map(([key, place]) => place.x + slots.get(key).w));
  const end = (key) => (at.has(key) ? at.get(key).x + slots.get(key).inX : null);
  return {
    w,
    h: up,
    at,
    edges,
    ports: ports.length > 1 ? ports : [],
    inX: end(ports[0]) ?? w / 2,
    outX: end("y") ?? w / 2,
  };
}

const SUM = 8; // half of a sum's circle

/** The stream as a straight line, what is added to it as a branch to its left. */
function onStream({ nodes, links, skips }, boxes) {
  const branches = new Map(
    [...skips].map(([sum, { nodes: inside, around, branch }]) => {
      const own = links.filter(
        ({ source, target }) => inside.includes(target) || (source === branch && target === sum),
      );
      const ends = own.map((link) => ({
        ...link,
        source: inside.includes(link.source) ? link.source : PORT,
        target: link.target === sum ? "y" : link.target,
      }));
      return [sum, { around, ...inRows(inside, ends, boxes) }];
    }),
  );
  const inBranch = new Set([...skips.values()].flatMap((skip) => skip.nodes));
  const stream = nodes.filter((node) => !inBranch.has(node));
  const middle = Math.max(
    ...[...branches.values()].map((branch) => branch.w + SUM + 8),
    ...stream.map((node) => boxes.get(node).inX),
  );
  const at = new Map();
  const edges = [];
  let up = 0;
  let below = null;
  for (const node of stream) {
    const branch = branches.get(node);
    const box = boxes.get(node);
    const from = up;
    if (branch) {
      const left = middle - SUM - 8 - branch.w;
      const foot = up + 5;
      const head = foot + branch.h;
      for (const key of branch.at.keys())
        if (boxes.has(key)) at.set(key, { x: left + branch.at.get(key).x, y: foot + branch.at.get(key).y });
      for (const edge of branch.edges) {
        const points = edge.points.map(([x, y]) => [left + x, foot + y]);
        if (edge.source === PORT) points.unshift([middle, foot]);
        if (edge.target === "y") points.push([middle - SUM, head]);
        edges.push({ ...edge, points });
      }
      up = head - SUM;
    } else up += from ? GAP : 6;
    at.set(node, { x: middle - box.inX, y: up });
    const points = [[middle, from], [middle, up]];
    edges.push({ points, source: below, target: node, seen: true, stream: true });
    up += box.h;
    below = node;
  }
  const out = [[middle, up], [middle, up + 6]];
  edges.push({ points: out, source: below, target: "y", seen: true, stream: true });
  const right = Math.max(SUM, ...stream.map((node) => boxes.get(node).w - boxes.get(node).inX));
  return { w: middle + right, h: up + 6, at, edges, ports: [], inX: middle, outX: middle };
}

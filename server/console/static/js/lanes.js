// A history as spans of time per version. Pure.

const OVER = new Set(["ENDED"]);
const MOST = 12;

/** The newest versions, each with `parts` of `{state, from, to}`; what is not over goes on to now. */
export function lanes(entries, now) {
  const open = new Map();
  const found = new Map();
  for (const entry of entries) {
    if (!found.has(entry.version)) found.set(entry.version, []);
    const parts = found.get(entry.version);
    const states = open.get(entry.version) ?? [];
    // A version may be there twice: what goes on from this entry's source is the oldest in it.
    const place = states.findIndex((part) => part.state === entry.source);
    if (place >= 0) states.splice(place, 1)[0].to = entry.time;
    else if (entry.source !== "NEW") {
      parts.push({ state: entry.source, from: entry.time - entry.seconds, to: entry.time });
    }
    if (!OVER.has(entry.target)) {
      const part = { state: entry.target, from: entry.time, to: now };
      parts.push(part);
      states.push(part);
    }
    open.set(entry.version, states);
  }
  return [...found]
    .map(([version, parts]) => ({ version, parts }))
    .filter((lane) => lane.parts.length)
    .sort((a, b) => b.version - a.version)
    .slice(0, MOST);
}

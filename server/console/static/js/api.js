// What the page asks its server: same origin only, with a mark on all that changes something.

const MARK = { "x-underway-console": "1", "content-type": "application/json" };

/** A refusal: its message is the server's own sentence. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function answer(response) {
  const text = await response.text();
  let document = null;
  try {
    document = text ? JSON.parse(text) : null;
  } catch {
    document = null;
  }
  if (!response.ok) {
    throw new Refused(
      response.status,
      document?.error ?? `the server answered with status ${response.status}`,
    );
  }
  return document;
}

async function get(path, signal) {
  return answer(await fetch(path, { signal, cache: "no-store" }));
}

async function post(path, body = {}) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return fetch(path, { method: "POST", headers: MARK, body: text });
}

const model = (name) => encodeURIComponent(name);

export const about = () => get("about");
export const overview = (signal) => get("../v2/admin/overview", signal);
export const history = (signal) => get("../v2/admin/history?limit=400", signal);
export const metadata = (name, version) => get(`v2/models/${path(name, version)}`);
export const index = async () => answer(await post("v2/repository/index"));
export const load = async (name) => answer(await post(`v2/repository/models/${model(name)}/load`));
export const unload = async (name) => answer(await post(`v2/repository/models/${model(name)}/unload`));
export const rollBack = async (name) => answer(await post(`../v2/admin/models/${model(name)}/rollback`));
export const label = async (name, labels) =>
  answer(await post(`../v2/admin/models/${model(name)}/labels`, { labels }));

/** One inference: the answer, its stage timings in ms by name, and the round trip in ms. */
export async function infer(name, version, body) {
  const began = performance.now();
  const response = await post(`v2/models/${path(name, version)}/infer`, body);
  const document = await answer(response);
  return {
    document,
    timings: timings(response.headers.get("server-timing") ?? ""),
    roundTrip: performance.now() - began,
  };
}

/** The header Server-Timing as `[name, ms]` pairs. */
export function timings(header) {
  return [...header.matchAll(/([\w-]+);dur=([\d.]+)/g)].map(([, name, ms]) => [name, Number(ms)]);
}

function path(name, version) {
  return version ? `${model(name)}/versions/${model(version)}` : model(name);
}

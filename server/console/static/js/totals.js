// One model's counts out of an overview, flat; and what happened between two of them. Pure.

const SERVED = "OK";

/** All versions of a model added up; a version that is there twice tells the same counts twice. */
export function totals(view) {
  const sum = {
    answered: 0,
    failed: 0,
    rows: 0,
    latency: [],
    stages: {},
    batches: {},
    codes: {},
    rejected: {},
    inFlight: 0,
    pending: view.pending_rows,
    padded: 0,
    memory: 0,
    gpu: 0,
    restarts: 0,
  };
  const seen = new Set();
  const pids = new Set();
  for (const version of view.versions) {
    for (const worker of version.workers) {
      if (pids.has(worker.pid)) continue;
      pids.add(worker.pid);
      sum.memory += worker.proportional_bytes ?? worker.resident_bytes ?? 0;
      sum.gpu += worker.gpu_bytes ?? 0;
    }
    if (seen.has(version.version)) continue;
    seen.add(version.version);
    addVersion(sum, version);
  }
  return sum;
}

function addVersion(sum, version) {
  sum.rows += version.rows;
  sum.inFlight += version.in_flight;
  sum.padded += version.padded_rows;
  for (const outcomes of Object.values(version.requests)) {
    for (const [outcome, durations] of Object.entries(outcomes)) {
      if (outcome === SERVED) {
        sum.answered += durations.count;
        durations.buckets.forEach((value, place) => (sum.latency[place] = (sum.latency[place] ?? 0) + value));
      } else {
        sum.failed += durations.count;
        add(sum.codes, outcome, durations.count);
      }
    }
  }
  for (const [stage, durations] of Object.entries(version.stages)) {
    const found = (sum.stages[stage] ??= { count: 0, sum: 0 });
    found.count += durations.count;
    found.sum += durations.sum_s;
  }
  for (const [size, executions] of Object.entries(version.batches)) add(sum.batches, size, executions);
  for (const [reason, times] of Object.entries(version.rejected)) add(sum.rejected, reason, times);
  for (const times of Object.values(version.restarts)) sum.restarts += times;
}

function add(into, key, value) {
  into[key] = (into[key] ?? 0) + value;
}

/** Several models' totals as one. */
export function joined(all) {
  const sum = totals({ pending_rows: 0, versions: [] });
  for (const one of all) {
    for (const key of [
      "answered",
      "failed",
      "rows",
      "inFlight",
      "pending",
      "padded",
      "memory",
      "gpu",
      "restarts",
    ]) {
      sum[key] += one[key];
    }
    one.latency.forEach((value, place) => (sum.latency[place] = (sum.latency[place] ?? 0) + value));
  }
  return sum;
}

/** `now - before`, never below zero: a server that started anew begins at zero. */
export function grown(now, before) {
  return Math.max(0, now - (before ?? 0));
}

/** The buckets that were added. */
export function grownBuckets(now, before) {
  return now.map((value, place) => grown(value, before[place]));
}

/** The quantile in seconds, by straight lines within its bucket; NaN where nothing was counted. */
export function quantile(buckets, bounds, part) {
  const all = buckets.reduce((sum, value) => sum + value, 0);
  if (!all) return NaN;
  let left = part * all;
  for (const [place, value] of buckets.entries()) {
    if (value && left <= value) {
      if (place >= bounds.length) return bounds.at(-1);
      const low = place ? bounds[place - 1] : 0;
      return low + ((bounds[place] - low) * left) / value;
    }
    left -= value;
  }
  return bounds.at(-1);
}

// The last two minutes: what was told each second, kept as points that charts draw.

import { grown, grownBuckets, joined, quantile, totals } from "./totals.js";

const KEPT = 121;
const WINDOW = 8;

/** Points of one model, or of all. */
export class Series {
  constructor() {
    this.samples = [];
    this.points = [];
  }

  /** Take totals told at `time` (seconds). */
  take(time, sum, bounds) {
    const last = this.samples.at(-1);
    if (last && time <= last.time) return;
    this.samples.push({ time, sum });
    if (this.samples.length > KEPT) this.samples.shift();
    if (!last) return;
    const since = this.samples[Math.max(0, this.samples.length - 1 - WINDOW)];
    const spent = grownBuckets(sum.latency, since.sum.latency);
    const seconds = time - last.time;
    this.points.push({
      time,
      answered: grown(sum.answered, last.sum.answered) / seconds,
      failed: grown(sum.failed, last.sum.failed) / seconds,
      p50: quantile(spent, bounds, 0.5),
      p95: quantile(spent, bounds, 0.95),
      p99: quantile(spent, bounds, 0.99),
      inFlight: sum.inFlight,
      pending: sum.pending,
      memory: sum.memory,
    });
    if (this.points.length > KEPT - 1) this.points.shift();
  }

  /** The newest point, or nothing. */
  get last() {
    return this.points.at(-1);
  }

  /** Requests a second over the last few seconds. */
  rate(of) {
    const some = this.points.slice(-3);
    return some.length ? some.reduce((sum, point) => sum + point[of], 0) / some.length : NaN;
  }

  /** Totals now, and as they were when what is kept begins. */
  get ends() {
    const now = this.samples.at(-1)?.sum;
    return now ? { now, before: this.samples[0].sum } : null;
  }
}

/** The series of every model by name, and of all of them together. */
export class AllSeries {
  constructor() {
    this.all = new Series();
    this.models = new Map();
  }

  /** Take one overview. */
  take(overview) {
    const sums = overview.models.map((view) => [view.name, totals(view)]);
    this.all.take(overview.time, joined(sums.map(([, sum]) => sum)), overview.latency_bounds);
    for (const [name, sum] of sums) {
      if (!this.models.has(name)) this.models.set(name, new Series());
      this.models.get(name).take(overview.time, sum, overview.latency_bounds);
    }
    const there = new Set(sums.map(([name]) => name));
    for (const name of this.models.keys()) if (!there.has(name)) this.models.delete(name);
  }

  /** One model's; an empty one where nothing was told of it. */
  of(name) {
    return this.models.get(name) ?? new Series();
  }
}

// The table of a results file: medians beside their targets.
//
//   node bench/table.mjs bench/results/FILE.json [--into bench/README.md]
//
// `--into` replaces what stands between the marks `<!-- figures -->` and `<!-- /figures -->`.

import fs from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** The part of a target that is enough at first. */
const FIRST_AIM = 0.6;

/** The results as Markdown. */
export function table(results) {
  const { commit, changed, date, machine, load, versions, seconds, repeats } = results;
  const range = busyRange(results.lines);
  return [
    `Commit \`${commit}\`${changed ? " with uncommitted changes" : ""}, ${date.slice(0, 16)}Z; ` +
      `${machine.processors} × ${machine.processor}, ${machine.memory_gib} GiB, ` +
      `Linux ${machine.kernel}; ${versions.join(", ") || "no peers"}; ` +
      `medians of ${repeats} × ${seconds} s.`,
    `Load of the machine: ${load.start[0]} at the start, ${load.end[0]} at the end; other ` +
      `programs kept ${range} of it busy just before the measurements.`,
    "",
    ...targets(results),
    "",
    ...everything(results),
    "",
  ].join("\n");
}

/** Figures that have a target. */
function targets({ lines }) {
  const of = (workload, concurrency, kind) => side(lines, "flowforge", workload, concurrency, kind);
  const peer = (name, ...row) => side(lines, name, ...row);
  const rows = [];
  const atLeast = (what, figure, target, why) =>
    rows.push({ what, figure, target, why, sign: "≥", part: figure / target });
  const atMost = (what, figure, target, why) =>
    rows.push({ what, figure, target, why, sign: "≤", part: target / figure });

  for (const [c, orientation] of [[32, 9000], [64, 13_000]]) {
    const ours = of("webhook", c);
    const theirs = peer("node-red", "webhook", c);
    const code = beside(ours, peer("node-red function", "webhook", c), "its functions");
    const goal = `Node-RED, ${code}; target 1 × (quiet: ${short(orientation)})`;
    atLeast(`webhook, ${c} in flight, runs/s`, ours?.rate, theirs?.rate, beside(ours, theirs, goal));
  }
  const alone = of("webhook", 1);
  const aloneWhy = `target c1 + 1 ms; c1 ${ms(alone?.c1_ms)}`;
  atMost("webhook, alone, p50 ms", alone?.p50_ms, alone?.c1_ms + 1, aloneWhy);
  const webhook = of("webhook", 32);
  const nodeRed = peer("node-red", "webhook", 32);
  const theirCpu = nodeRed ? `Node-RED ${nodeRed.cpu_per_1000_s.toFixed(3)}` : "";
  atMost("CPU s per 1 000 webhook runs", webhook?.cpu_per_1000_s, 0.15, theirCpu);
  atMost("WAL bytes per webhook run", webhook?.wal_per_unit, 1200, "");
  const manyCalls = of("webhook", 64);
  const commits = (row) => row?.commits_per_unit;
  const fewer = "commits per webhook run, 64 in flight";
  atMost(fewer, commits(manyCalls), 1 / 20, "a run as one record");

  const manySteps = of("steps", 128, "external");
  const restate = peer("restate", "steps", 128, "external");
  const times = beside(manySteps, restate, "Restate; target 3 ×");
  atLeast("external steps/s, 128 in flight", manySteps?.rate, 3 * restate?.rate, times);
  const oneAfterOther = of("steps", 1, "external");
  atMost(
    "10 external steps, alone, p50 ms",
    oneAfterOther?.p50_ms,
    11 * oneAfterOther?.c1_ms + 2,
    `target 11 × c1 + 2 ms; c1 ${ms(oneAfterOther?.c1_ms)}`,
  );
  atMost("WAL bytes per external step", manySteps?.wal_per_unit, 550, "");
  const many = "commits per external step, 128 in flight";
  atMost(many, commits(manySteps), 1 / 20, "a step as one record");
  atMost("fan-out of 100 external, p50 ms", of("fanout", 1, "external")?.p50_ms, 12, "");
  atMost("fan-out of 100 pure, p50 ms", of("fanout", 1, "pure")?.p50_ms, 5, "");
  return [
    "| figure | measured | target | of it | first aim (60 %) | beside |",
    "|---|---:|---:|---:|---|---|",
    ...rows.map(targetRow),
  ];
}

/** The ratio of the medians, and between what it lay from turn to turn. */
function beside(ours, theirs, name) {
  if (!ours || !theirs) return "";
  const others = new Map(theirs.turns.map((turn) => [turn.repeat, turn.rate]));
  const paired = ours.turns.filter((turn) => others.has(turn.repeat));
  const ratios = paired.map((turn) => turn.rate / others.get(turn.repeat));
  const range = `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`;
  return `${(ours.rate / theirs.rate).toFixed(2)} (${range}) × ${name}`;
}

function targetRow({ what, figure, target, why, sign, part }) {
  const known = Number.isFinite(part);
  const percent = known ? `${Math.round(part * 100)} %` : "–";
  const reached = known ? (part >= FIRST_AIM ? "reached" : "missed") : "not measured";
  const limit = Number.isFinite(target) ? `${sign} ${short(target)}` : "–";
  return `| ${what} | ${short(figure)} | ${limit} | ${percent} | ${reached} | ${why} |`;
}

/** Every row of the run, without judgement. */
function everything({ lines }) {
  const keys = new Map(lines.map((line) => [JSON.stringify(key(line)), key(line)]));
  const rows = [...keys.values()].map((key) => [key, side(lines, ...key)]);
  return [
    "| work | in flight | side | rate /s (min–max) | p50 ms | p99 ms | CPU s per 1 000 calls | " +
      "WAL B per unit | commits per unit | memory MiB | c1 ms | errors |",
    "|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ...rows.map(([[name, workload, concurrency, kind], row]) => {
      const work = kind ? `${workload}, ${kind}` : workload;
      const cells = row
        ? [
            `${short(row.rate)} (${short(row.rate_min)}–${short(row.rate_max)})`,
            ms(row.p50_ms),
            ms(row.p99_ms),
            row.cpu_per_1000_s?.toFixed(3) ?? "–",
            short(row.wal_per_unit),
            short(row.commits_per_unit),
            short(row.rss_mb),
            ms(row.c1_ms),
            row.errors,
          ]
        : ["failed", ...Array(8).fill("–")];
      return `| ${[work, concurrency, name, ...cells].join(" | ")} |`;
    }),
  ];
}

const key = (line) => [line.side, line.workload, line.concurrency, line.class];

/** The medians of one side of one row; undefined when it was not measured. */
function side(lines, name, workload, concurrency, kind) {
  const wanted = JSON.stringify([name, workload, concurrency, kind]);
  const found = lines.filter((line) => JSON.stringify(key(line)) === wanted && !line.failed);
  if (found.length === 0) return undefined;
  const derived = found.map(derive);
  const names = Object.keys(derived[0]).filter((name) => typeof derived[0][name] === "number");
  const medians = names.map((name) => [name, median(derived.map((line) => line[name]))]);
  const rates = found.map((line) => line.rate);
  return {
    ...Object.fromEntries(medians),
    errors: found.reduce((sum, line) => sum + line.errors, 0),
    rate_min: Math.min(...rates),
    rate_max: Math.max(...rates),
    turns: found,
  };
}

/** Figures per call, and per unit of the rate (a step, a run, a job). */
function derive(line) {
  const units = line.rate * line.seconds;
  const calls = line.workload === "steps" ? units / 10 : units;
  const measured = line.cpu_postgres_s !== null;
  return {
    ...line,
    cpu_per_1000_s: measured
      ? ((line.cpu_program_s + (line.cpu_postgres_s ?? 0)) / calls) * 1000
      : undefined,
    wal_per_unit: line.wal_bytes === undefined ? undefined : line.wal_bytes / units,
    commits_per_unit: line.commits === undefined ? undefined : line.commits / units,
  };
}

function busyRange(lines) {
  const shares = lines.map((line) => line.busy_before).sort((a, b) => a - b);
  const percent = (share) => `${Math.round(share * 100)} %`;
  return shares.length === 0 ? "nothing" : `${percent(shares[0])} to ${percent(shares.at(-1))}`;
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const ms = (number) => (Number.isFinite(number) ? number.toFixed(2) : "–");

/** Three digits that count, or all of a large number. */
function short(number) {
  if (!Number.isFinite(number)) return "–";
  if (number >= 100) return Math.round(number).toLocaleString("en").replaceAll(",", " ");
  return String(Number(number.toPrecision(3)));
}

function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { into: { type: "string" } },
  });
  const figures = table(JSON.parse(fs.readFileSync(positionals[0], "utf8")));
  if (!values.into) {
    console.log(figures);
    return;
  }
  const [open, close] = ["<!-- figures -->", "<!-- /figures -->"];
  const page = fs.readFileSync(values.into, "utf8");
  const [from, to] = [page.indexOf(open), page.indexOf(close)];
  if (from < 0 || to < from) throw new Error(`${values.into} has no ${open} … ${close}`);
  const filled = `${page.slice(0, from + open.length)}\n${figures}\n${page.slice(to)}`;
  fs.writeFileSync(values.into, filled);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();

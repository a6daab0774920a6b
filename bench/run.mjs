// Measures every workload of FlowForge and its peers in the same run, and writes the results.
//
//   node bench/run.mjs --flowforge PROGRAM [--seconds 10] [--repeats 3] [--only GROUP,…]
//                      [--without-peers] [--dir CACHE] [--out FILE]
//
// Sides take turns (A B A B A B), so that both see the same machine. Each measurement is printed as
// one JSON object a line on standard output; what happens and the table go to standard error.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { startNodeRed } from "./peers/node-red.mjs";
import { startRestate } from "./peers/restate.mjs";
import { busyShare, cpuSeconds, residentMib, round, run, stopAll } from "./processes.mjs";
import { table } from "./table.mjs";

const HERE = path.dirname(fileURLToPath(import.meta.url));
/** What the program is built from. */
const SOURCES = [":/crates", ":/migrations", ":/Cargo.toml", ":/Cargo.lock"];
const SECONDS_MAX = 60;
const REPEATS_MAX = 9;
/** A server is started, warmed up, measured and stopped: what that takes beside the measurement. */
const OVERHEAD_S = 60;

const WEBHOOK_BODY = fs.readFileSync(path.join(HERE, "webhook.json"), "utf8").trimEnd();

/** What is measured: one entry a table row, whose sides take turns. */
const GROUPS = [
  ...[32, 64, 1].map((concurrency) => ({
    name: "webhook",
    concurrency,
    peers: [
      { side: "node-red", start: startNodeRed, path: "/change" },
      { side: "node-red function", start: startNodeRed, path: "/function" },
    ],
    body: WEBHOOK_BODY,
    units: 1,
  })),
  ...[128, 32, 1].map((concurrency) => ({
    name: "steps",
    class: "external",
    concurrency,
    peers: [{ side: "restate", start: startRestate, path: "/bench/steps" }],
    body: '{"n":1}',
    units: 10,
  })),
  ...[128, 32, 1].map((concurrency) => ({ name: "steps", class: "pure", concurrency })),
  {
    name: "fanout",
    class: "external",
    concurrency: 1,
    peers: [{ side: "restate", start: startRestate, path: "/bench/fanout" }],
    body: '{"n":1}',
    units: 1,
  },
  { name: "fanout", class: "pure", concurrency: 1 },
  { name: "start", concurrency: 32 },
  { name: "queue", concurrency: 4 },
  ...["query", "mutation"].flatMap((kind) =>
    [32, 256].map((concurrency) => ({ name: "api", class: kind, concurrency }))),
];

const { values: options } = parseArgs({
  options: {
    flowforge: { type: "string" },
    seconds: { type: "string", default: "10" },
    repeats: { type: "string", default: "3" },
    only: { type: "string" },
    "without-peers": { type: "boolean", default: false },
    dir: { type: "string", default: path.join(os.homedir(), ".cache", "flowforge-bench") },
    out: { type: "string" },
  },
});
const seconds = count("seconds", SECONDS_MAX);
const repeats = count("repeats", REPEATS_MAX);
const program = path.resolve(options.flowforge ?? fail("--flowforge PROGRAM is missing"));
const groups = chosenGroups();
const load = { start: os.loadavg().map((one) => round(one, 2)) };

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "flowforge-peers-"));
// PostgreSQL, started by root, runs as another user, who has to get to its folder.
fs.chmodSync(scratch, 0o711);
process.on("exit", () => fs.rmSync(scratch, { recursive: true, force: true, maxRetries: 5 }));
fs.mkdirSync(options.dir, { recursive: true });
const log = fs.openSync(path.join(options.dir, "peers.log"), "w");

const lines = [];
const versions = new Set();
for (const group of groups) await measureGroup(group);
finish();

/** All sides of a row, one after the other, as often as asked. */
async function measureGroup(group) {
  const wanted = options["without-peers"] ? [] : (group.peers ?? []);
  const peers = new Map();
  for (const { start } of wanted) {
    if (!peers.has(start)) peers.set(start, await startPeer(start, group));
  }
  for (let repeat = 1; repeat <= repeats; repeat++) {
    await keep(group, { side: "flowforge", repeat }, () => measureFlowforge(group));
    for (const { side, start, path: at } of wanted) {
      await keep(group, { side, repeat }, () => measurePeer(group, peers.get(start), at));
    }
  }
  for (const peer of peers.values()) await peer.stop?.();
}

/** A peer, or `{ failed }`: the others are measured all the same. */
async function startPeer(start, group) {
  const sides = 1 + group.peers.length;
  const limitS = repeats * sides * (2 * seconds + OVERHEAD_S) + OVERHEAD_S;
  try {
    const peer = await start({ cache: options.dir, scratch, log, limitS, body: group.body });
    versions.add(peer.version);
    return peer;
  } catch (error) {
    await stopAll();
    return { failed: error };
  }
}

/** Prints and keeps one measurement; a failed one is kept with its error. */
async function keep(group, about, measure) {
  const { name: workload, class: kind, concurrency } = group;
  const machine = { busy_before: await busyShare(), load: round(os.loadavg()[0], 2) };
  let measured;
  try {
    measured = await measure();
  } catch (error) {
    console.error(error.message);
    measured = { failed: error.message };
  }
  const line = { ...about, workload, class: kind, concurrency, ...measured, ...machine };
  lines.push(line);
  console.log(JSON.stringify(line));
}

async function measureFlowforge(group) {
  const flags = ["--workload", group.name, "--concurrency", String(group.concurrency)];
  if (group.class) flags.push("--class", group.class);
  const printed = await run(program, ["bench", ...flags, "--seconds", String(seconds), "--json"], {
    limitS: 2 * seconds + OVERHEAD_S,
    env: { TMPDIR: scratch },
    cwd: scratch,
  });
  return JSON.parse(printed);
}

/** The same load from the same generator, with the same warm-up, as `flowforge bench` sends it. */
async function measurePeer(group, peer, at) {
  if (peer.failed) throw peer.failed;
  const flags = {
    address: peer.address,
    path: at,
    body: group.body,
    connections: group.concurrency,
    "measure-ms": seconds * 1000,
    "warm-up-ms": seconds * 200,
  };
  const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  let before;
  const printed = await run(program, ["bench-load", ...args], {
    limitS: 2 * seconds + OVERHEAD_S,
    onOutput: () => (before ??= cpuSeconds(peer.pids)), // The first output: the warm-up is over.
  });
  const cpu = cpuSeconds(peer.pids) - before;
  const seen = JSON.parse(printed.trim().split("\n").at(-1));
  return {
    rate: (seen.answered * group.units) / seen.seconds,
    p50_ms: seen.p50_ms,
    p99_ms: seen.p99_ms,
    errors: seen.errors,
    seconds: seen.seconds,
    cpu_program_s: round(cpu, 2),
    rss_mb: round(residentMib(peer.pids), 1),
  };
}

function finish() {
  const commit = git("rev-parse", "--short=10", "HEAD");
  const results = {
    commit,
    changed: git("status", "--porcelain", "--", ...SOURCES) !== "",
    date: new Date().toISOString(),
    machine: {
      processor: os.cpus()[0]?.model,
      processors: os.cpus().length,
      memory_gib: round(os.totalmem() / 2 ** 30, 1),
      kernel: os.release(),
    },
    load: { ...load, end: os.loadavg().map((one) => round(one, 2)) },
    versions: [...versions],
    seconds,
    repeats,
    lines,
  };
  const name = `${results.date.slice(0, 10)}-${commit}.json`;
  const file = path.resolve(options.out ?? path.join(HERE, "results", name));
  fs.writeFileSync(file, text(results));
  console.error(`\n${table(results)}\nwritten to ${file}`);
  if (lines.some((line) => line.failed)) process.exitCode = 1;
}

/** JSON with one measurement a line. */
function text({ lines: measured, ...about }) {
  const head = JSON.stringify(about, null, 2).slice(0, -2);
  const rows = measured.map((line) => `    ${JSON.stringify(line)}`);
  return `${head},\n  "lines": [\n${rows.join(",\n")}\n  ]\n}\n`;
}

function git(...args) {
  return execFileSync("git", ["-C", HERE, ...args], { encoding: "utf8" }).trim();
}

function chosenGroups() {
  const known = new Set(GROUPS.map((group) => group.name));
  const only = options.only?.split(",") ?? [...known];
  const unknown = only.filter((name) => !known.has(name));
  if (unknown.length > 0) fail(`--only: ${unknown} is none of ${[...known].join(", ")}`);
  return GROUPS.filter((group) => only.includes(group.name));
}

function count(name, most) {
  const number = Number(options[name]);
  const fits = Number.isInteger(number) && number >= 1 && number <= most;
  return fits ? number : fail(`--${name} has to be from 1 to ${most}`);
}

function fail(why) {
  console.error(`bench: ${why}`);
  process.exit(2);
}

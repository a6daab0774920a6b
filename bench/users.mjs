// Measures the API as people use it: a thousand users at their own pace, then three times what the
// server can do.
//
//   node bench/users.mjs --flowforge PROGRAM [--users 1000] [--seconds 180] [--overload-seconds 15]
//                       [--crowd 2000]
//
// Prints one JSON object a line: `users` once for each kind of call, `peak` and `overload` at the end.

import { randomBytes } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

import { freePorts, programMib, round, run, start, stop, until } from "./processes.mjs";

/** A user sends a request each so often. */
const EVERY_MS = 2000;
/** Memory is looked at each so often. */
const LOOK_MS = 10_000;
/** Connections of the peak. */
const BUSY = 64;

const { values: options } = parseArgs({
  options: {
    flowforge: { type: "string" },
    users: { type: "string", default: "1000" },
    seconds: { type: "string", default: "180" },
    "overload-seconds": { type: "string", default: "15" },
    // Connections of the overload: more than the server serves at once.
    crowd: { type: "string", default: "2000" },
  },
});
if (!options.flowforge) {
  console.error("users: --flowforge PROGRAM is missing");
  process.exit(2);
}
const program = path.resolve(options.flowforge);
const users = Number(options.users);
const seconds = Number(options.seconds);
const crowd = Number(options.crowd);
if (users < BUSY) {
  console.error(`users: at least ${BUSY} --users are needed`);
  process.exit(2);
}
const overloadSeconds = Number(options["overload-seconds"]);

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "flowforge-users-"));
// PostgreSQL, started by root, runs as another user, who has to get to its folder.
fs.chmodSync(scratch, 0o711);
process.on("exit", () => fs.rmSync(scratch, { recursive: true, force: true, maxRetries: 5 }));

const key = `bench-${randomBytes(24).toString("hex")}`;
const [port] = await freePorts(1);
const address = `127.0.0.1:${port}`;
const limitS = 2 * seconds + 10 * overloadSeconds + 300;
const server = start(program, ["up", "--data-dir", path.join(scratch, "data"), "--listen", address], {
  limitS,
  output: "ignore",
  cwd: scratch,
  env: {
    FLOWFORGE_BOOTSTRAP_API_KEY: key,
    // One key speaks for all users here; the limit of a key is not what is measured.
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith("FLOWFORGE_"))),
  },
});
await until(async () => {
  const answer = await fetch(`http://${address}/ready`);
  if (!answer.ok) throw new Error(`/ready answers ${answer.status}`);
});

const documentOf = (number) => ({
  format: 1,
  name: `bench-${number}`,
  nodes: [
    { name: "Start", type: "core.manual" },
    { name: "Shape", type: "core.set", parameters: { mode: "fields", fields: [{ name: "total", type: "number", value: "={{ $json.price * 2 }}" }] } },
  ],
  connections: ["Start -> Shape"],
});
for (let number = 0; number < users; number++) await save(number);

const shares = [
  { call: "simple query", part: 0.6, method: "GET", path: "/v1/workflows/bench-{n}", body: "" },
  { call: "list of 50", part: 0.2, method: "GET", path: "/v1/workflows?limit=50", body: "" },
  { call: "mutation", part: 0.2, method: "PUT", path: "/v1/workflows/bench-{n}", body: JSON.stringify(documentOf("{n}")) },
];
const memory = [programMib(server.pid)];
const looking = setInterval(() => memory.push(programMib(server.pid)), LOOK_MS);
const all = await Promise.all(shares.map((share) => load({
  ...share,
  connections: Math.round(users * share.part),
  every: EVERY_MS,
  seconds,
})));
clearInterval(looking);
all.forEach((seen, at) => print("users", { call: shares[at].call, users: Math.round(users * shares[at].part), ...seen }));
print("users", { memory_mb: memory.map((mib) => round(mib, 1)) });

const [simple] = shares;
const peak = await load({ ...simple, connections: BUSY, every: 0, seconds: overloadSeconds });
print("peak", { call: simple.call, ...peak });
const wanted = 3 * peak.rate;
const over = await load({
  ...simple,
  path: simple.path.replace("{n}", "0"),
  connections: crowd,
  every: Math.max(1, Math.round((crowd / wanted) * 1000)),
  seconds: overloadSeconds,
});
print("overload", {
  call: simple.call,
  offered: round(wanted, 0),
  goodput: round(over.rate / peak.rate, 3),
  memory_mb: round(programMib(server.pid), 1),
  ...over,
});
await stop(server);

async function save(number) {
  const answer = await fetch(`http://${address}/v1/workflows`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify(documentOf(number)),
  });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
}

/** Sends a load from a process of its own and gives what it saw. */
async function load({ method, path: at, body, connections, every, seconds: length }) {
  const flags = {
    address, method, path: at, body, connections,
    "every-ms": every,
    "measure-ms": length * 1000,
    "warm-up-ms": Math.max(2000, length * 100),
  };
  const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  const printed = await run(program, ["bench-load", ...args], {
    limitS: 2 * length + 60,
    env: { FLOWFORGE_BENCH_KEY: key },
  });
  const seen = JSON.parse(printed.trim().split("\n").at(-1));
  const { p50_ms, p95_ms, p99_ms, errors, refused, first_error } = seen;
  const rate = round(seen.answered / seen.seconds, 1);
  return { rate, p50_ms, p95_ms, p99_ms, errors, refused, ...(first_error && { first_error }) };
}

function print(what, about) {
  console.log(JSON.stringify({ what, ...about }));
}

// Processes of a measurement: started with a time limit, metered from /proc, stopped at the end.

import { spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";

/** Ticks of /proc a second: fixed by Linux for every architecture. */
const TICKS_PER_SECOND = 100;
/** How long a process may take to end when asked, before it is killed. */
const STOP_MS = 8_000;

const running = new Set();

/** Kills whatever is still running when this program ends, however it ends. */
process.on("exit", () => running.forEach((child) => killTree(child.pid)));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => process.exit(1));
}

/**
 * Starts a program that ends after `limitS` seconds at the latest, even when this one is killed.
 * `output`: "pipe", or an open file descriptor for both of its streams.
 */
export function start(program, args, { limitS, output, env = {}, cwd }) {
  const limited = ["--kill-after=10", String(limitS), program, ...args];
  const child = spawn("timeout", limited, {
    stdio: ["ignore", output, output === "pipe" ? "inherit" : output],
    env: { ...process.env, ...env },
    cwd,
  });
  running.add(child);
  child.ended = new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(code ?? signal));
  }).finally(() => running.delete(child));
  return child;
}

/** Asks a process to end, and kills it with everything below it when it does not. */
export async function stop(child) {
  child.kill("SIGTERM");
  const killer = setTimeout(() => killTree(child.pid), STOP_MS);
  await child.ended;
  clearTimeout(killer);
}

/** Stops everything that was started. */
export const stopAll = () => Promise.all([...running].map(stop));

/** Runs a program to its end; returns what it printed, throws when it fails. */
export async function run(program, args, options) {
  const child = start(program, args, { ...options, output: "pipe" });
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    printed += text;
    options.onOutput?.(printed);
  });
  const code = await child.ended;
  if (code !== 0) {
    const why = code === 124 ? `took longer than ${options.limitS} s` : `ended with ${code}`;
    // The name alone: what is kept in results shall not hold folders of this machine.
    throw new Error(`${path.basename(program)} ${args.join(" ")}: ${why}`);
  }
  return printed;
}

/** Seconds of processor time of these processes and all below them, ended children included. */
export function cpuSeconds(pids) {
  const all = stats();
  const ticks = pids.flatMap((pid) => tree(pid, all)).map((pid) => all.get(pid).ticks);
  return ticks.reduce((sum, one) => sum + one, 0) / TICKS_PER_SECOND;
}

/** Memory in RAM of these processes and all below them, in MiB. */
export function residentMib(pids) {
  const all = stats();
  return pids.flatMap((pid) => tree(pid, all)).map(ownMib).reduce((sum, one) => sum + one, 0);
}

/** Resident memory of a program that `start` has started, in MiB: without what it has started itself. */
export function programMib(pid) {
  const [, program] = tree(pid, stats());
  return ownMib(program);
}

function ownMib(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) / 1024;
}

/** The part of the machine that was busy during half a second, from 0 to 1. */
export async function busyShare() {
  const before = machineTicks();
  await pause(500);
  const after = machineTicks();
  const total = Math.max(1, after.total - before.total);
  return round(1 - (after.idle - before.idle) / total, 3);
}

/** Ports of 127.0.0.1 that nobody listens on now. */
export async function freePorts(count) {
  const servers = Array.from({ length: count }, () => net.createServer());
  const listening = servers.map((server) => new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve(server.address().port));
  }));
  const ports = await Promise.all(listening);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Tries again until it succeeds, for at most `limitS` seconds. */
export async function until(attempt, limitS = 60) {
  const end = performance.now() + limitS * 1000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > end) throw error;
      await pause(200);
    }
  }
}

/** Rounds to so many decimal places. */
export const round = (number, places) => Number(number.toFixed(places));

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function killTree(root) {
  for (const pid of tree(root, stats())) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended in the meantime.
    }
  }
}

/** A process and everything below it. */
function tree(root, all) {
  const found = all.has(root) ? [root] : [];
  for (const parent of found) {
    for (const [pid, stat] of all) if (stat.parent === parent) found.push(pid);
  }
  return found;
}

/** Parent and processor time of every process. */
function stats() {
  const pids = fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const texts = pids.map((pid) => [Number(pid), read(`/proc/${pid}/stat`)]);
  return new Map(texts.filter(([, text]) => text).map(([pid, text]) => [pid, readStat(text)]));
}

/** Reads `pid (name) state ppid …`; the name may hold spaces and brackets. */
function readStat(text) {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  // Counted from `state`, which proc(5) calls field 3: 14 to 17 are the times.
  const ticks = fields.slice(14 - 3, 18 - 3).reduce((sum, one) => sum + Number(one), 0);
  return { parent: Number(fields[1]), ticks };
}

function machineTicks() {
  const fields = read("/proc/stat").split("\n")[0].trim().split(/\s+/).slice(1, 9).map(Number);
  return { total: fields.reduce((sum, one) => sum + one, 0), idle: fields[3] + fields[4] };
}

function read(file) {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return ""; // The process ended in the meantime.
  }
}

// Installs the peers by npm, in pinned versions, into a cache outside of the checkout.

import fs from "node:fs";
import path from "node:path";

import { run } from "../processes.mjs";

const INSTALL_LIMIT_S = 600;

/** Installs packages (name → version) into a folder of the cache; fast when they are there. */
export async function install(folder, packages) {
  const wanted = Object.entries(packages);
  if (wanted.every(([name, version]) => installedVersion(folder, name) === version)) return;
  console.error(`installing ${wanted.map((one) => one.join("@")).join(", ")} into ${folder}`);
  fs.mkdirSync(folder, { recursive: true });
  const manifest = { private: true, dependencies: packages };
  fs.writeFileSync(path.join(folder, "package.json"), JSON.stringify(manifest));
  // Nothing that is used here needs the packages' own install scripts.
  const quiet = ["--no-audit", "--no-fund", "--no-progress", "--loglevel=error"];
  const flags = ["--ignore-scripts", "--fetch-retries=1", ...quiet];
  await run("npm", ["install", ...flags], { limitS: INSTALL_LIMIT_S, cwd: folder });
}

/** A Node that is new enough for every peer: this one, or one that npm installs. */
export async function newerNode(cache) {
  const [major] = process.versions.node.split(".").map(Number);
  if (major >= 24) return process.execPath;
  const name = `node-${process.platform}-${process.arch}`;
  const folder = path.join(cache, "node");
  await install(folder, { [name]: "24.21.0" });
  return path.join(folder, "node_modules", name, "bin", "node");
}

function installedVersion(folder, name) {
  try {
    const file = path.join(folder, "node_modules", name, "package.json");
    return JSON.parse(fs.readFileSync(file, "utf8")).version;
  } catch {
    return undefined;
  }
}

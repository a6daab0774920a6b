// Restate with the twins of the workloads `steps` and `fanout`: one server with its defaults (every
// step is on disk before the next one begins) and one Node process with the service.

import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { freePorts, start, stop, until } from "../processes.mjs";
import { install, newerNode } from "./install.mjs";

const VERSION = "1.7.12";
const SDK_VERSION = "1.17.2";

/** Starts it on free ports of 127.0.0.1 with the service of `restate-service.mjs`. */
export async function startRestate({ cache, scratch, log, limitS }) {
  const folder = path.join(cache, "restate");
  await install(folder, {
    "@restatedev/restate-server": VERSION,
    "@restatedev/restate-sdk": SDK_VERSION,
  });
  const node = await newerNode(cache);
  const [ingress, admin, peer, service] = await freePorts(4);
  const data = path.join(scratch, `restate-${ingress}`);
  fs.mkdirSync(data);
  const platform = `restate-server-${process.platform}-${process.arch}`;
  const program = path.join(folder, "node_modules/@restatedev", platform, "bin/restate-server");
  const server = start(program, ["--base-dir", data], {
    limitS,
    output: log,
    env: {
      RESTATE_DISABLE_TELEMETRY: "true",
      DO_NOT_TRACK: "1",
      RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingress}`,
      RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`,
      RESTATE_BIND_ADDRESS: `127.0.0.1:${peer}`,
      RESTATE_ADVERTISED_ADDRESS: `http://127.0.0.1:${peer}`,
      RESTATE_NODE_NAME: "bench",
      RESTATE_LOG_FILTER: "warn",
    },
  });
  const code = fileURLToPath(new URL("restate-service.mjs", import.meta.url));
  const handlers = start(node, [code, folder, String(service)], {
    limitS,
    output: log,
    env: { NODE_ENV: "production", RESTATE_LOGGING: "ERROR" },
  });
  await until(() => call(admin, "/deployments", { uri: `http://127.0.0.1:${service}` }));
  await until(async () => {
    const steps = await call(ingress, "/bench/steps", { n: 1 });
    if (steps !== 10) throw new Error(`Restate answers ${steps}`);
  });
  return {
    version: `restate ${VERSION}`,
    address: `127.0.0.1:${ingress}`,
    pids: [server.pid, handlers.pid],
    stop: () => Promise.all([stop(server), stop(handlers)]),
  };
}

async function call(port, at, body) {
  const answer = await fetch(`http://127.0.0.1:${port}${at}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`Restate answers ${answer.status} ${text} at ${at}`);
  return JSON.parse(text);
}

// Node-RED with the twin of the workload `webhook`, in memory: it stores nothing.

import fs from "node:fs";
import path from "node:path";

import { freePorts, start, stop, until } from "../processes.mjs";
import { install, newerNode } from "./install.mjs";

const VERSION = "5.0.7";
const ANSWER = { size: "large", total: 112.5, customer: "Ada" };

/**
 * Starts it on a free port of 127.0.0.1 with two flows that answer the same: one of the nodes made
 * for it (change, switch, with expressions), one of function nodes (JavaScript).
 */
export async function startNodeRed({ cache, scratch, log, limitS, body }) {
  const folder = path.join(cache, "node-red");
  await install(folder, { "node-red": VERSION });
  const node = await newerNode(cache);
  const [port] = await freePorts(1);
  const home = path.join(scratch, `node-red-${port}`);
  fs.mkdirSync(home);
  fs.writeFileSync(path.join(home, "flows.json"), JSON.stringify(flows()));
  fs.writeFileSync(path.join(home, "settings.cjs"), settings(port));
  const program = path.join(folder, "node_modules/node-red/red.js");
  const child = start(node, [program, "-u", home, "-s", path.join(home, "settings.cjs")], {
    limitS,
    output: log,
    cwd: home,
    env: { NODE_ENV: "production" },
  });
  await until(() => check(port, body));
  return {
    version: `node-red ${VERSION}`,
    address: `127.0.0.1:${port}`,
    pids: [child.pid],
    stop: () => stop(child),
  };
}

async function check(port, body) {
  for (const at of ["/change", "/function"]) {
    const answer = await fetch(`http://127.0.0.1:${port}${at}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    const text = await answer.text();
    if (answer.status !== 200 || text !== JSON.stringify(ANSWER)) {
      throw new Error(`Node-RED answers ${answer.status} ${text} at ${at}`);
    }
  }
}

function settings(port) {
  const values = {
    uiHost: "127.0.0.1",
    uiPort: port,
    flowFile: "flows.json",
    credentialSecret: false,
    httpAdminRoot: false,
    telemetry: { enabled: false },
    logging: { console: { level: "warn" } },
  };
  return `module.exports = ${JSON.stringify(values)};\n`;
}

/** Webhook → compute → if → respond, twice. */
function flows() {
  const answer = (size) =>
    `{"size": "${size}", "total": payload.total, "customer": payload.customer}`;
  const set = (property, expression) =>
    ({ t: "set", p: property, pt: "msg", to: expression, tot: "jsonata" });
  const change = {
    compute: {
      type: "change",
      rules: [
        set("payload.total", "payload.price * payload.count"),
        { t: "set", p: "payload.customer", pt: "msg", to: "payload.customer.name", tot: "msg" },
      ],
    },
    large: { type: "change", rules: [set("payload", answer("large"))] },
    small: { type: "change", rules: [set("payload", answer("small"))] },
  };
  const code = (func) => ({ type: "function", func, outputs: 1 });
  const reply = (size) =>
    code(`const { total, customer } = msg.payload;
msg.payload = { size: "${size}", total, customer };
return msg;`);
  const functions = {
    compute: code(`const { price, count, customer } = msg.payload;
msg.payload.total = price * count;
msg.payload.customer = customer.name;
return msg;`),
    large: reply("large"),
    small: reply("small"),
  };
  return [
    { id: "tab", type: "tab", label: "bench" },
    ...flow("change", change),
    ...flow("function", functions),
  ];
}

function flow(name, { compute, large, small }) {
  const at = (id, node, ...wires) => {
    const wired = wires.map((to) => [`${name}-${to}`]);
    return { id: `${name}-${id}`, z: "tab", x: 1, y: 1, ...node, wires: wired };
  };
  const rules = [{ t: "gt", v: "100", vt: "num" }, { t: "else" }];
  const over = { property: "payload.total", propertyType: "msg", rules, outputs: 2 };
  return [
    at("call", { type: "http in", url: `/${name}`, method: "post" }, "compute"),
    at("compute", compute, "if"),
    at("if", { type: "switch", checkall: "false", ...over }, "large", "small"),
    at("large", large, "respond"),
    at("small", small, "respond"),
    at("respond", { type: "http response", statusCode: "200" }),
  ];
}

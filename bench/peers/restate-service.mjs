// The service that Restate calls: ten durable steps in sequence; a hundred beside each other and
// their join. Arguments: folder of the packages, port.

import { createRequire } from "node:module";

const [folder, port] = process.argv.slice(2);
const { RestatePromise, serve, service } = createRequire(`${folder}/`)("@restatedev/restate-sdk");

const STEPS = 10;
const BRANCHES = 100;

const handlers = {
  steps: async (context, input) => {
    let done = 0;
    for (let at = 0; at < STEPS; at++) {
      await context.run(`S${at}`, () => input);
      done += 1;
    }
    return done;
  },
  fanout: async (context, input) => {
    const names = Array.from({ length: BRANCHES }, (_, at) => `S${at}`);
    const all = await RestatePromise.all(names.map((name) => context.run(name, () => input)));
    return all.length;
  },
};

serve({ services: [service({ name: "bench", handlers })], port: Number(port) });

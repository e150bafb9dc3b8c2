// Child process of the store bench, so that the client's CPU and peak memory are its own. One JSON command on stdin, one JSON result
// on stdout.

import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { createStore } from '../../src/index.ts';
import { createPattern } from './pattern.ts';

export interface ClientCommand {
  readonly action: 'put' | 'get';
  readonly home: string;
  readonly lane: 'bulk' | 'control';
  readonly lengthBytes: number;
  /** Objects one after the other: 1 for a large one. */
  readonly count: number;
  /** For get: what to fetch, one URI per object. */
  readonly uris: readonly string[];
  /** Seed block of the pattern, base64: both sides make the same bytes. */
  readonly block: string;
}

export interface ClientResult {
  readonly uris: readonly string[];
  readonly wallMs: number;
  readonly cpuSeconds: number;
  readonly peakMemoryBytes: number;
  /** Milliseconds of each object, in order. */
  readonly eachMs: readonly number[];
}

// As the command line does: a growing nursery would only hold more garbage.
setFlagsFromString('--semi-space-growth-factor=1');
const command = JSON.parse(readFileSync(0, 'utf8')) as ClientCommand;
const pattern = createPattern(Buffer.from(command.block, 'base64'));
process.env['HOLDFAST_HOME'] = command.home;
const store = await createStore({ home: command.home, lane: command.lane });
await store.network();

const before = process.cpuUsage();
const started = performance.now();
const uris: string[] = [];
const eachMs: number[] = [];
for (let index = 0; index < command.count; index++) {
  const from = performance.now();
  if (command.action === 'put') {
    const result = await store.put(pattern.read(command.lengthBytes), { lengthBytes: command.lengthBytes });
    uris.push(result.uri);
    // A large object is done when all its pieces are; small ones are measured to the acknowledgement.
    if (command.count === 1) await result.complete;
  } else {
    await pattern.check(await store.get(command.uris[index]!, { reuseChunks: true }), command.lengthBytes);
  }
  eachMs.push(performance.now() - from);
}
const wallMs = performance.now() - started;
const used = process.cpuUsage(before);
await store.close();
const result: ClientResult = {
  uris,
  wallMs,
  cpuSeconds: (used.user + used.system) / 1e6,
  peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
  eachMs,
};
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));

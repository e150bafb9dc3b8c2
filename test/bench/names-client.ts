// Child process of the bench of names: one warm client that puts one named object after the other. One JSON command on stdin, one JSON
// result on stdout.

import { randomFillSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fromHex, short } from '../../src/base/bytes.ts';
import type { NetworkId } from '../../src/base/ids.ts';
import { fileOwnerKey } from '../../src/client/home.ts';
import { readNetworkFile } from '../../src/client/network-file.ts';
import { createStoreOver } from '../../src/client/operations.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { createCoder } from '../../src/runtime/coder/coder.ts';
import { nativeSha256, nativeVerify } from '../../src/runtime/crypto.ts';
import { ephemeralIdentity } from '../../src/runtime/identity.ts';
import { createBlake3Hasher } from '../../src/runtime/kernel/blake3-kernel.ts';
import { createClientNetwork } from '../../src/runtime/network.ts';
import { systemRandom } from '../../src/runtime/random.ts';
import type { TraceLine } from './names-trace.ts';

export interface NamesCommand {
  readonly home: string;
  readonly bucket: string;
  readonly lengthBytes: number;
  /** Puts that are not measured, before those that are. */
  readonly warmUp: number;
  readonly count: number;
}

export interface NamesResult {
  readonly puts: readonly TracedPut[];
  readonly cpuSeconds: number;
}

export interface TracedPut {
  /** Milliseconds since 1970. */
  readonly fromMs: number;
  readonly toMs: number;
  /** When it began to speak to the chain. */
  readonly chainMs: number;
  /** Calls to nodes. */
  readonly calls: readonly TraceLine[];
}

const command = JSON.parse(readFileSync(0, 'utf8')) as NamesCommand;
const { home, bucket, lengthBytes, warmUp, count } = command;
const now = (): number => performance.timeOrigin + performance.now();
const description = await readNetworkFile(home);
const networkId = fromHex(description.network) as NetworkId;
const network = createClientNetwork({ identity: ephemeralIdentity(), networkId, clock: systemClock });
const coder = createCoder({ workers: 1, maxMemory: 64 * 1024 * 1024 });
let calls: TraceLine[] = [];
const traced: typeof network = {
  ...network,
  call: async (node, service, request, options) => {
    const fromMs = now();
    const into = calls;
    try {
      return await network.call(node, service, request, options);
    } finally {
      into.push({ what: service, fromMs, toMs: now(), detail: short(node) });
    }
  },
};
const store = createStoreOver(
  {
    clock: systemClock,
    random: systemRandom,
    network: traced,
    coder,
    verify: nativeVerify,
    sha256: nativeSha256,
    hasher: createBlake3Hasher(),
    owner: fileOwnerKey(home, {}),
  },
  { networkId, bootstrap: description.bootstrap, home },
);
await store.buckets.create(bucket);
const puts: TracedPut[] = [];
let before = process.cpuUsage();
for (let index = 0; index < warmUp + count; index++) {
  if (index === warmUp) {
    before = process.cpuUsage();
    process.stderr.write('warm\n');
  }
  const bytes = randomFillSync(new Uint8Array(lengthBytes));
  calls = [];
  let chainMs = 0;
  const fromMs = now();
  await store.put(bytes, {
    name: `store://${bucket}/objects/${process.pid}-${index}`,
    lengthBytes,
    onProgress: ({ phase }) => {
      if (phase === 'chain') chainMs = now();
    },
  });
  if (index >= warmUp) puts.push({ fromMs, toMs: now(), chainMs, calls });
}
const used = process.cpuUsage(before);
process.stderr.write('done\n');
await store.close();
const result: NamesResult = { puts, cpuSeconds: (used.user + used.system) / 1e6 };
await Promise.allSettled([network.close(), coder.close()]);
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));

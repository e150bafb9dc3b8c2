// Validators as real processes: real keys, real files, real sockets. What the engine does in every order of events is the simulator's
// business; here it is shown that the parts are put together right.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { NetworkId, NodeId, Signature } from '../../../src/base/ids.ts';
import { encodeMessage } from '../../../src/consensus/messages.ts';
import { DEFAULT_TIMEOUTS } from '../../../src/consensus/types.ts';
import { guardNewKey } from '../../../src/node/validator/signer-file.ts';
import {
  startValidator,
  type ValidatorApplication,
  type ValidatorOptions,
} from '../../../src/node/validator/validator.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { nativeVerify } from '../../../src/runtime/crypto.ts';
import { type Files, systemFiles } from '../../../src/runtime/files.ts';
import { ephemeralIdentity } from '../../../src/runtime/identity.ts';
import { createMemoryHub } from '../../../src/runtime/memory-network.ts';
import { systemRandom } from '../../../src/runtime/random.ts';
import { A, prevote } from '../../helpers/agreement.ts';
import { expectCodeAsync } from '../../helpers/expect-code.ts';
import { openOpaqueApplication, readDecisions } from '../../helpers/opaque-application.ts';
import { ValidatorProcesses } from '../../helpers/validator-processes.ts';

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const run of cleanUp.splice(0).reverse()) await run();
});

/** On a busy machine, a process may stand still for a while. */
const DEADLINE_MS = 40_000;

test('four processes agree, one is killed and comes back, and nobody signs twice', async () => {
  const timeouts = { proposeMs: 600, proposeGrowthMs: 200, voteMs: 200, voteGrowthMs: 100 };
  const processes = await ValidatorProcesses.start({ count: 4, timeouts, intervalMs: 20, listenMs: 200 });
  cleanUp.push(() => processes.stop());
  await heightOf(processes, 0, 3);
  await processes.kill(3);
  const killedAt = (await processes.report(0))!.height;
  await heightOf(processes, 0, killedAt + 2);
  await processes.restart(3);
  const level = (await heightOf(processes, 0, killedAt + 3)) + 2;
  await heightOf(processes, 3, level);

  const reports = await processes.reports();
  expect(reports.flatMap((report) => report?.alarms ?? ['no report'])).toEqual([]);
  expect(reports.map((report) => report?.evidence)).toEqual([{}, {}, {}, {}]);
  for (const report of reports) {
    expect(Object.keys(report!.status.verdicts).filter((name) => name.startsWith('reject'))).toEqual([]);
  }
  expect(await processes.end()).toEqual([0, 0, 0, 0]);
  await expectEqualDecisions(processes, [0, 1, 2, 3], level);
});

test('a validator that says two things is seen and accused, and the others agree all the same', async () => {
  const timeouts = { proposeMs: 400, proposeGrowthMs: 100, voteMs: 150, voteGrowthMs: 50 };
  const processes = await ValidatorProcesses.start({ count: 4, timeouts, listenMs: 200, equivocators: 1 });
  cleanUp.push(() => processes.stop());
  for (const index of [0, 1, 2]) await heightOf(processes, index, 6);
  const honest = (await processes.reports()).slice(0, 3);
  expect(honest.flatMap((report) => report?.alarms ?? ['no report'])).toEqual([]);
  const seen = honest.flatMap((report) => Object.keys(report!.evidence));
  expect(seen.filter((kind) => kind.startsWith('double-')).length).toBeGreaterThan(0);
  await processes.end();
  await expectEqualDecisions(processes, [0, 1, 2], 6);
});

async function heightOf(processes: ValidatorProcesses, index: number, atLeast: number): Promise<number> {
  const deadline = performance.now() + DEADLINE_MS;
  while (performance.now() < deadline) {
    const height = (await processes.report(index))?.height ?? 0;
    if (height >= atLeast) return height;
    await systemClock.sleep(50);
  }
  throw new Error(`validator ${index} did not reach height ${atLeast}`);
}

async function expectEqualDecisions(
  processes: ValidatorProcesses,
  indices: readonly number[],
  atLeast: number,
): Promise<void> {
  const chains = await Promise.all(indices.map((index) => readDecisions(processes.folder(index))));
  const common = Math.min(...chains.map((chain) => chain.length));
  expect(common).toBeGreaterThanOrEqual(atLeast);
  for (const chain of chains) expect(chain.slice(0, common)).toEqual(chains[0]!.slice(0, common));
}

// ---- One validator by itself, which is a quorum ---------------------------------------------------------------------

interface Alone {
  readonly options: ValidatorOptions;
  readonly folder: string;
  readonly decided: number[];
}

async function alone(changes: Partial<ValidatorOptions> = {}): Promise<Alone> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-validator-'));
  cleanUp.push(() => rm(folder, { recursive: true, force: true }));
  const networkId = systemRandom.bytes(32) as NetworkId;
  const identity = ephemeralIdentity();
  await guardNewKey({ folder: join(folder, 'signer'), network: networkId }, identity.nodeId);
  const decided: number[] = [];
  const options = {
    folder,
    networkId,
    identity,
    network: createMemoryHub().join(identity.nodeId),
    application: await applicationIn(folder, identity.nodeId, decided),
    timeouts: DEFAULT_TIMEOUTS,
    clock: systemClock,
    random: systemRandom,
    verify: nativeVerify,
    listenMs: 0,
    ...changes,
  };
  return { options, folder, decided };
}

async function applicationIn(
  folder: string,
  self: Alone['options']['identity']['nodeId'],
  decided: number[],
) {
  const application = await openOpaqueApplication({
    folder,
    self,
    validators: [self],
    blockLength: 0,
    intervalMs: 0,
    onDecision: ({ height }) => decided.push(height),
  });
  cleanUp.push(() => application.close());
  return application;
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('it did not happen in time');
    await systemClock.sleep(5);
  }
}

test('it stops cleanly, frees its folder, and goes on where it was', async () => {
  const { options, folder, decided } = await alone();
  const first = await startValidator(options);
  await expectCodeAsync('LOCKED', startValidator(options));
  await until(() => decided.length >= 3);
  await first.stop();
  expect(await first.ended).toBe(undefined);
  await first.stop();
  const count = decided.length;
  const network = createMemoryHub().join(options.identity.nodeId);
  const application = await applicationIn(folder, options.identity.nodeId, decided);
  const second = await startValidator({ ...options, network, application });
  await until(() => decided.length >= count + 3);
  await second.stop();
  expect(decided).toEqual(decided.map((_, index) => index + 1));
});

test('a stranger who speaks of a height far ahead makes nobody ask him', async () => {
  const hub = createMemoryHub();
  const { options, folder, decided } = await alone();
  const plain = await applicationIn(folder, options.identity.nodeId, decided);
  // Sets of heights that lie ahead are not known in a chain.
  const startOf = (height: number) => (height > plain.next().height ? undefined : plain.startOf());
  const application: ValidatorApplication = {
    startOf,
    next: () => plain.next(),
    // It has no block, so it stays where it is.
    requestValue: () => undefined,
    judge: (...args) => plain.judge(...args),
    blockId: (block) => plain.blockId(block),
    heard: () => undefined,
    held: (...args) => plain.held(...args),
    decided: (...args) => plain.decided(...args),
    decision: (...args) => plain.decision(...args),
  };
  const network = hub.join(options.identity.nodeId);
  const stranger = hub.join(new Uint8Array(32).fill(0x77) as NodeId);
  for (const [from, to] of [
    [network, stranger],
    [stranger, network],
  ] as const) {
    from.setAddresses(to.self, { control: ['/memory'], bulk: [] });
  }
  stranger.serve({
    name: 'consensus-decision',
    maxHeaderLength: 100,
    maxBodyLength: 0,
    timeoutMs: 1000,
    maxConcurrentPerPeer: 1,
    maxPerSecondPerPeer: 1,
    handle: async () => ({ header: new Uint8Array(0) }),
  });
  const validator = await startValidator({ ...options, network, application });
  await until(() => validator.status().height === 1);
  await stranger.tell(network.self, 'consensus-message', encodeMessage(prevote(0, 0, A, { height: 1000 })));
  await until(() => validator.status().transport.received === 1);
  await systemClock.sleep(50);
  expect([...stranger.callsServed]).toEqual([]);
  await validator.stop();
});

test('a disk that fails ends it with that error, and it says nothing more', async () => {
  let isBroken = false;
  const files: Files = {
    ...systemFiles,
    open: async (path, mode) => {
      const file = await systemFiles.open(path, mode);
      const sync = () => (isBroken ? Promise.reject(new Error('EIO: bad disk')) : file.sync());
      return { ...file, sync };
    },
  };
  const { options, decided } = await alone({ files });
  const validator = await startValidator(options);
  await until(() => decided.length >= 2);
  isBroken = true;
  const reason = await validator.ended;
  expect(reason?.code).toBe('DISK');
  const count = decided.length;
  isBroken = false;
  await systemClock.sleep(100);
  expect(decided.length).toBe(count);
});

test('a log that has forgotten what the key signed keeps it silent at that height', async () => {
  const { options, folder, decided } = await alone();
  const first = await startValidator(options);
  await until(() => decided.length >= 2);
  await first.stop();
  // The log is gone, and the application is put back to the beginning: the guard alone knows.
  await rm(join(folder, 'wal', 'wal'), { force: true });
  await writeFile(join(folder, 'chain'), '');
  const application = await applicationIn(folder, options.identity.nodeId, []);
  const network = createMemoryHub().join(options.identity.nodeId);
  let signatures = 0;
  const sign = (bytes: Uint8Array): Signature => {
    signatures += 1;
    return options.identity.signer.sign(bytes);
  };
  const identity = { ...options.identity, signer: { ...options.identity.signer, sign } };
  const second = await startValidator({ ...options, identity, network, application });
  await until(() => second.status().height === 1);
  await systemClock.sleep(200);
  expect(second.status().height).toBe(1);
  expect(signatures).toBe(0);
  await second.stop();
});

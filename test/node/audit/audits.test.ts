// Whole rounds at four nodes, as they time them themselves, on a clock on which nobody is late.

import { expect, onTestFinished, test } from 'vitest';
import { startAudits } from '../../../src/node/audit/audits.ts';
import type { RoundWatcher, WatchedRound } from '../../../src/node/audit/round-watcher.ts';
import { nativeVerify } from '../../../src/runtime/crypto.ts';
import { PORTABLE_HASHES } from '../../../src/proofs/opening.ts';
import { anchorOf, putAnchor } from '../../../src/shards/anchors.ts';
import type { AnchorAudit } from '../../../src/shards/operations/anchor-audit.ts';
import type { Action } from '../../../src/shards/transaction.ts';
import { NETWORK } from '../../shards/world.ts';
import { AuditWorld } from './audit-kit.ts';
import { quietLogger } from './quiet-logger.ts';

interface Run {
  readonly world: AuditWorld;
  /** What was handed in, in order. */
  readonly anchors: readonly AnchorAudit[];
  /** When the first one was, in parts of a round of sixteen. */
  readonly part: number;
}

/** One round of `roundMs`, until its results are on the chain and nothing is left to do. */
async function runRound(
  roundMs: number,
  arrange: (world: AuditWorld) => void = () => undefined,
): Promise<Run> {
  const world = await AuditWorld.create({ rules: { roundMs } });
  const anchors: AnchorAudit[] = [];
  let submittedMs = 0;
  const submit = async (action: Action): Promise<void> => {
    expect(action.kind).toBe('anchor-audit');
    const anchor = action.parameters as AnchorAudit;
    if (anchors.length === 0) submittedMs = world.clock.monotonic();
    anchors.push(anchor);
    const { round, group, count, root, signatures } = anchor;
    const auditors = signatures.map(({ auditor }) => auditor);
    world.memory.run((state) => {
      if (anchorOf(state, round, group) === undefined)
        putAnchor(state, round, group, { root, count, height: 30, auditors, charged: [] });
    });
  };
  const begin: (() => void)[] = [];
  const audits = world.auditors.map(({ signer, network, log, watched }) => {
    const watcher = {
      rounds: [watched],
      round: (number: number) => (number === watched.round.round ? watched : undefined),
      onRound: (listener: (watched: WatchedRound) => void) => {
        begin.push(() => listener(watched));
        return () => undefined;
      },
    } as unknown as RoundWatcher;
    const { chain, clock } = world;
    const ports = { networkId: NETWORK, signer, network, log, clock, verify: nativeVerify, chain, watcher };
    return startAudits({ ...ports, hashes: PORTABLE_HASHES, logger: quietLogger, submit });
  });
  onTestFinished(async () => void (await Promise.all(audits.map((each) => each.stop()))));
  arrange(world);
  const begunMs = world.clock.monotonic();
  for (const each of begin) each();
  // A round later all leaders have had their turn.
  await world.clock.sleep(2 * roundMs);
  return { world, anchors, part: Math.floor((16 * (submittedMs - begunMs)) / roundMs) };
}

const failedOf = ({ world, anchors }: Run): Record<string, number> =>
  Object.fromEntries(world.names.map((name, index) => [name, anchors[0]!.counts[index]!.failed]));
const NONE = { a: 0, b: 0, c: 0, d: 0 };

test.each([600_000, 20_000])(
  'a round of %i ms ends with one anchor, by the first leader',
  async (roundMs) => {
    const run = await runRound(roundMs);
    expect(run.anchors.length).toBe(1);
    expect(run.part).toBe(10);
    expect(failedOf(run)).toEqual(NONE);
  },
);

test.each([600_000, 20_000])(
  'in a round of %i ms a node that takes what it is asked and says nothing fails, and holds nobody up for long',
  async (roundMs) => {
    const run = await runRound(roundMs, (world) => {
      world.of('b').network.faults.isStalled = true;
    });
    expect(run.anchors.length).toBeGreaterThan(0);
    expect(failedOf(run)).toEqual({ ...NONE, b: run.anchors[0]!.counts[1]!.asked });
    expect(run.part).toBeLessThan(16);
  },
);

test('a node that is away for the first time it is asked, and there for the next, has failed nothing', async () => {
  const run = await runRound(600_000, (world) => {
    const { faults } = world.of('c').network;
    faults.isDead = true;
    world.clock.timer(600_000 / 8, () => {
      faults.isDead = false;
    });
  });
  expect(failedOf(run)).toEqual(NONE);
});

// Scattering items: whose transfer is given up, and when.

import { describe, expect, test } from 'vitest';
import type { Member } from '../../src/base/epoch.ts';
import { StoreError } from '../../src/base/errors.ts';
import type { Digest, NodeId, OperatorId, Signature, Stake } from '../../src/base/ids.ts';
import { type Context, DEFAULT_TIMING } from '../../src/client/context.ts';
import { createHealth } from '../../src/client/health.ts';
import { scatter, type Scatter, type ScatterPlan } from '../../src/client/scatter.ts';
import { fastClock } from '../helpers/cluster.ts';

const KIB = 1024;
const SPEED = 50;
const clock = fastClock(SPEED);
const context = { clock, timing: DEFAULT_TIMING } as unknown as Context;
const member = (index: number): Member => ({
  node: new Uint8Array(32).fill(index + 1) as NodeId,
  operator: `operator-${index}` as OperatorId,
  stake: 1n as Stake,
  capacityBytes: 1,
  admissionSeed: new Uint8Array(32) as Digest,
  domains: [],
});

type Send = ScatterPlan['send'];
const quickly: Send = async () => new Uint8Array(64) as Signature;
/** Takes `lumpBytes` every `everyMs` until `totalBytes` have left. */
const steadily =
  (lumpBytes: number, everyMs: number, totalBytes: number): Send =>
  async (_item, _node, { signal, onBytes }) => {
    for (let sent = 0; sent < totalBytes; sent += lumpBytes) {
      onBytes(lumpBytes);
      await clock.sleep(everyMs, signal);
    }
    return new Uint8Array(64) as Signature;
  };

/** Two quick holders and the one that `send` makes, at a quorum of two, without spares. */
const scatterTo = (send: Send): Scatter =>
  scatter(context, {
    targets: [0, 1, 2].map(member),
    spares: [],
    quorum: 2,
    allowSameOperator: false,
    what: 'segment 0',
    health: createHealth(clock, DEFAULT_TIMING),
    signal: new AbortController().signal,
    send: (item, node, options) => (item === 2 ? send : quickly)(item, node, options),
  });

describe('while the others are done at once', () => {
  test('a holder that takes bytes at the least rate of the lane gets all of them', async () => {
    const { finished } = scatterTo(steadily(32 * KIB, 2000, 512 * KIB));
    expect((await finished).confirmations.length).toBe(3);
  });

  test('a holder whose bytes leave in lumps, because buffers on the way drain slowly, gets all of them', async () => {
    const { finished } = scatterTo(steadily(512 * KIB, 8000, 2048 * KIB));
    expect((await finished).confirmations.length).toBe(3);
  });

  test('a holder is not blamed for the time in which this process stood still', async () => {
    const { finished } = scatterTo(async (_item, _node, { signal }) => {
      // The others are done, so that patience is short.
      await clock.sleep(500, signal);
      const untilMs = performance.now() + (2 * DEFAULT_TIMING.stallFloorMs) / SPEED;
      const answer = clock.sleep(3000, signal);
      while (performance.now() < untilMs);
      await answer;
      return new Uint8Array(64) as Signature;
    });
    const { confirmations } = await finished;
    expect(confirmations.length).toBe(3);
  });

  test('a holder that takes no byte is given up soon', async () => {
    const reasons: string[] = [];
    const beganMs = clock.monotonic();
    let endedMs = 0;
    const { finished } = scatterTo(async (_item, _node, { signal }) => {
      await clock.sleep(1e9, signal).catch(() => undefined);
      endedMs ||= clock.monotonic();
      reasons.push((signal.reason as StoreError).code);
      throw new StoreError('ABORTED', 'it ends');
    });
    expect((await finished).confirmations.length).toBe(2);
    expect(reasons).toEqual(['TIMEOUT', 'TIMEOUT']);
    expect(endedMs - beganMs).toBeGreaterThanOrEqual(DEFAULT_TIMING.stallFloorMs);
  });
});

// The background scrub, on a clock that the test moves.

import { expect, test } from 'vitest';
import type { Clock } from '../../../src/base/ports.ts';
import { toHex } from '../../../src/base/bytes.ts';
import { filled, FOLDER, Harness, keyOf } from '../log-harness.ts';

const PERIOD_MS = 1_000_000;

/** Time stands still until `advance`; due timers then run in order, with turns of the event loop in between. */
class ManualClock implements Clock {
  #nowMs = 1_700_000_000_000;
  #timers: { dueMs: number; run: () => void }[] = [];

  now(): number {
    return this.#nowMs;
  }

  monotonic(): number {
    return this.#nowMs;
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.timer(delayMs, resolve));
  }

  timer(delayMs: number, run: () => void): () => void {
    const timer = { dueMs: this.#nowMs + delayMs, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  async advance(delayMs: number): Promise<void> {
    const endMs = this.#nowMs + delayMs;
    for (;;) {
      await settle();
      const next = this.#timers
        .filter(({ dueMs }) => dueMs <= endMs)
        .toSorted((a, b) => a.dueMs - b.dueMs)[0];
      if (next === undefined) break;
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      this.#timers = this.#timers.filter((timer) => timer !== next);
      next.run();
    }
    this.#nowMs = endMs;
    await settle();
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

async function withEntries(count: number, clock: Clock): Promise<Harness> {
  const harness = await Harness.open({ clock, scrubPeriodMs: PERIOD_MS, logFileLength: 1e6 });
  await Promise.all(Array.from({ length: count }, (_, n) => harness.put(keyOf(n), filled(500, n))));
  return harness;
}

function spoil(harness: Harness, n: number): void {
  const bytes = harness.disk.bytesOf(`${FOLDER}/00000001.log`);
  bytes[Buffer.from(bytes).indexOf(filled(500, n)) + 250]! ^= 1;
}

test('rot anywhere is found within the period, without anyone reading', async () => {
  const clock = new ManualClock();
  const harness = await withEntries(50, clock);
  await clock.advance(PERIOD_MS * 1.5);
  expect(harness.damaged).toEqual([]);
  for (const n of [0, 20, 49]) spoil(harness, n);
  await clock.advance(PERIOD_MS);
  expect(harness.damaged.toSorted()).toEqual([0, 20, 49].map((n) => toHex(keyOf(n))));
  await harness.log.close();
});

test('a pass goes at an even pace', async () => {
  const clock = new ManualClock();
  const harness = await withEntries(100, clock);
  // The first look came before the entries: let the pass that sees them all begin.
  await clock.advance(PERIOD_MS);
  let reads = 0;
  harness.disk.hook = ({ kind, path }) => {
    if (kind === 'read' && path.endsWith('.log')) reads++;
    return undefined;
  };
  const perPart: number[] = [];
  for (let part = 0; part < 10; part++) {
    reads = 0;
    await clock.advance(PERIOD_MS / 10);
    perPart.push(reads / 2);
  }
  for (const entries of perPart) {
    expect(entries).toBeGreaterThanOrEqual(8);
    expect(entries).toBeLessThanOrEqual(14);
  }
  await harness.log.close();
});

test('a restart goes on where the pass was, and still ends within the period', async () => {
  const clock = new ManualClock();
  const harness = await withEntries(100, clock);
  await harness.restart();
  await clock.advance(PERIOD_MS / 2);
  spoil(harness, 1);
  spoil(harness, 99);
  await harness.restart();
  await clock.advance(PERIOD_MS / 2);
  // The end of the key order comes first, because the beginning was done before the restart.
  expect(harness.damaged[0]).toBe(toHex(keyOf(99)));
  await clock.advance(PERIOD_MS);
  expect(harness.damaged).toContain(toHex(keyOf(1)));
  await harness.log.close();
});

test('entries that are removed while a pass runs are no damage', async () => {
  const clock = new ManualClock();
  const harness = await withEntries(50, clock);
  for (let n = 0; n < 50; n++) {
    await clock.advance(PERIOD_MS / 40);
    await harness.remove(keyOf(n));
  }
  await clock.advance(PERIOD_MS);
  expect(harness.damaged).toEqual([]);
  expect(harness.log.usage().entries).toBe(0);
  await harness.log.close();
});

test('a log that is closed stops scrubbing and leaves no timer behind', async () => {
  const clock = new ManualClock();
  const harness = await withEntries(10, clock);
  await clock.advance(PERIOD_MS / 3);
  await harness.log.close();
  let operations = 0;
  harness.disk.hook = () => {
    operations++;
    return undefined;
  };
  await clock.advance(PERIOD_MS * 3);
  expect(operations).toBe(0);
});

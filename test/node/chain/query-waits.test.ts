import { expect, test } from 'vitest';
import { CHAIN_WAIT_MS_MAX } from '../../../src/base/limits.ts';
import { QueryWaits } from '../../../src/node/chain/query-waits.ts';
import { expectCode, expectCodeAsync } from '../../helpers/expect-code.ts';

/** Timers that fire when a test says so. */
function handClock() {
  const timers = new Map<() => void, number>();
  return {
    timers,
    timer: (delayMs: number, run: () => void) => {
      timers.set(run, delayMs);
      return () => void timers.delete(run);
    },
    fire: () => {
      for (const run of timers.keys()) run();
    },
  };
}

const news = (height: number) => ({ height, transactions: new Set<string>() });
const isAtLeast =
  (least: number) =>
  ({ height }: { readonly height: number }): boolean =>
    height >= least;

test('a wait ends by what it waits for, and its timer with it', async () => {
  const clock = handClock();
  const waits = new QueryWaits(clock);
  const wait = waits.begin(isAtLeast(3), 1_000, undefined);
  waits.tell(news(2));
  expect(waits.size).toBe(1);
  waits.tell(news(3));
  expect(await wait.outcome).toBe(true);
  expect(clock.timers.size).toBe(0);
  expect(waits.size).toBe(0);
});

test('a wait ends by its time, which nobody can make longer than the limit', async () => {
  const clock = handClock();
  const waits = new QueryWaits(clock);
  const wait = waits.begin(isAtLeast(3), 1e15, undefined);
  expect([...clock.timers.values()]).toEqual([CHAIN_WAIT_MS_MAX]);
  clock.fire();
  expect(await wait.outcome).toBe(false);
  expect(waits.size).toBe(0);
});

test('one more than may wait is refused, and there is room again when one has ended', async () => {
  const waits = new QueryWaits(handClock(), 2);
  const first = waits.begin(isAtLeast(3), 1_000, undefined);
  waits.begin(isAtLeast(3), 1_000, undefined);
  expectCode('BUSY', () => waits.begin(isAtLeast(3), 1_000, undefined));
  first.cancel();
  expect(await first.outcome).toBe(false);
  waits.begin(isAtLeast(3), 1_000, undefined);
});

test('a signal ends its own wait alone, before it begins or after', async () => {
  const clock = handClock();
  const waits = new QueryWaits(clock);
  const stop = new AbortController();
  const wait = waits.begin(isAtLeast(3), 1_000, stop.signal);
  waits.begin(isAtLeast(3), 1_000, undefined);
  stop.abort();
  await expectCodeAsync('ABORTED', wait.outcome);
  expect(waits.size).toBe(1);
  expect(clock.timers.size).toBe(1);
  expectCode('ABORTED', () => waits.begin(isAtLeast(3), 1_000, stop.signal));
});

test('the end of all ends each, and none begins after it', async () => {
  const waits = new QueryWaits(handClock());
  const wait = waits.begin(isAtLeast(3), 1_000, undefined);
  waits.close();
  await expectCodeAsync('CLOSED', wait.outcome);
  expectCode('CLOSED', () => waits.begin(isAtLeast(3), 1_000, undefined));
});

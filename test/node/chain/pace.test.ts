import { expect, test } from 'vitest';
import type { NodeId } from '../../../src/base/ids.ts';
import { validatorSet } from '../../../src/consensus/validator-set.ts';
import { Pace } from '../../../src/node/chain/pace.ts';
import { digestFrom } from '../../helpers/records.ts';

/** Runs what is due when the test says so. */
class HandTimer {
  readonly waiting = new Map<number, () => void>();
  #next = 0;

  timer = (_delayMs: number, run: () => void): (() => void) => {
    const name = this.#next++;
    this.waiting.set(name, run);
    return () => this.waiting.delete(name);
  };

  fire(): void {
    for (const [name, run] of this.waiting) {
      this.waiting.delete(name);
      run();
    }
  }
}

const setOf = (count: number) =>
  validatorSet(
    Array.from({ length: count }, (_, index) => ({
      node: digestFrom<NodeId>(`validator ${index}`),
      power: 1n,
    })),
  );
const FOUR = setOf(4);

function started(): { readonly clock: HandTimer; readonly pace: Pace; readonly begun: number[] } {
  const clock = new HandTimer();
  return { clock, pace: new Pace(clock, 1_000), begun: [] };
}

test('with something to do a height begins at once, without it after the heartbeat', () => {
  const { clock, pace, begun } = started();
  pace.await(5, FOUR, true, () => begun.push(5));
  expect(begun).toEqual([5]);
  pace.await(6, FOUR, false, () => begun.push(6));
  expect(begun).toEqual([5]);
  clock.fire();
  expect(begun).toEqual([5, 6]);
});

test('work that comes while it waits begins the height, once', () => {
  const { clock, pace, begun } = started();
  pace.await(5, FOUR, false, () => begun.push(5));
  pace.wake();
  pace.wake();
  clock.fire();
  expect(begun).toEqual([5]);
});

test('one validator of four that speaks of the height begins nothing, two do', () => {
  const { pace, begun } = started();
  pace.await(5, FOUR, false, () => begun.push(5));
  pace.heard(0, 1_000_000);
  pace.heard(0, 2_000_000);
  pace.heard(1, 4);
  expect(begun).toEqual([]);
  pace.heard(2, 5);
  expect(begun).toEqual([5]);
});

test('who is spoken to of heights ahead does not wait for them', () => {
  const { pace, begun } = started();
  pace.await(5, FOUR, true, () => begun.push(5));
  pace.heard(0, 9);
  pace.heard(1, 7);
  pace.await(6, FOUR, false, () => begun.push(6));
  pace.await(7, FOUR, false, () => begun.push(7));
  pace.await(8, FOUR, false, () => begun.push(8));
  expect(begun).toEqual([5, 6, 7]);
});

test('what validators of another set said counts no more', () => {
  const { pace, begun } = started();
  pace.await(5, FOUR, true, () => begun.push(5));
  pace.heard(0, 9);
  pace.heard(1, 9);
  pace.await(6, setOf(4), false, () => begun.push(6));
  expect(begun).toEqual([5]);
});

test('a height that was asked for again begins once, and none after a stop', () => {
  const { clock, pace, begun } = started();
  pace.await(5, FOUR, false, () => begun.push(5));
  pace.await(6, FOUR, false, () => begun.push(6));
  clock.fire();
  expect(begun).toEqual([6]);
  pace.await(7, FOUR, false, () => begun.push(7));
  pace.stop();
  clock.fire();
  pace.wake();
  expect(begun).toEqual([6]);
});

test('when the validator whose turn it is has proposed, its height begins, now or when it is asked for, and no other', () => {
  const { pace, begun } = started();
  pace.await(5, FOUR, false, () => begun.push(5));
  pace.proposed(6);
  expect(begun).toEqual([]);
  pace.proposed(5);
  expect(begun).toEqual([5]);
  pace.await(6, FOUR, false, () => begun.push(6));
  pace.await(7, FOUR, false, () => begun.push(7));
  expect(begun).toEqual([5, 6]);
});

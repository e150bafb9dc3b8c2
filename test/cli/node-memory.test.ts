import { expect, test } from 'vitest';
import { collector, RestWatch } from '../../cli/node-memory.ts';

const MIB = 1024 * 1024;
const REST = 50;
const WORK = 5_000;

/** At which of the looks, each with CPU and MiB, it is time. */
function timesOf(watch: RestWatch, looks: readonly (readonly [cpuMs: number, mib: number])[]): number[] {
  return looks.flatMap(([cpuMs, mib], index) =>
    watch.isTime({ cpuMs, residentBytes: mib * MIB }) ? [index] : [],
  );
}

const times = <T>(count: number, value: T): T[] => Array<T>(count).fill(value);

test('what the start left is given back once the node rests, and not again while nothing grows', () => {
  const looks = [[WORK, 200], [WORK, 210], ...times(50, [REST, 210] as const)] as const;
  expect(timesOf(new RestWatch(), looks)).toEqual([3]);
});

test('a node that works is left alone, however much it has', () => {
  expect(timesOf(new RestWatch(), times(50, [WORK, 900]))).toEqual([]);
  const turns = times(25, [[WORK, 900] as const, [REST, 900] as const]).flat();
  expect(timesOf(new RestWatch(), turns)).toEqual([]);
});

test('what work brought is given back when it is over', () => {
  const watch = new RestWatch();
  expect(timesOf(watch, times(20, [REST, 140]))).toEqual([1]);
  expect(timesOf(watch, [...times(5, [WORK, 290] as const), ...times(3, [REST, 290] as const)])).toEqual([6]);
});

test('growth at rest is given back once a minute at most', () => {
  const looks = Array.from({ length: 40 }, (_, index) => [REST, 140 + 10 * index] as const);
  const found = timesOf(new RestWatch(), looks);
  expect(found.length).toBeGreaterThan(3);
  for (const [index, at] of found.slice(1).entries()) expect(at - found[index]!).toBeGreaterThanOrEqual(6);
});

test('the collector takes what nobody holds any more, and leaves no way to itself behind', async () => {
  const collect = collector();
  expect(collect).toBeDefined();
  const held = new WeakRef({ some: 'thing' });
  // What a turn has looked at lives to its end.
  await new Promise((resolve) => setTimeout(resolve, 0));
  collect!();
  expect(held.deref()).toBeUndefined();
  expect('gc' in globalThis).toBe(false);
});

// What a simulated disk may lose, and what it may not. Seeds are many, because a fault that is never drawn proves nothing.

import { expect, test } from 'vitest';
import { SimDisk } from './disk.ts';
import { SeededRandom } from './random.ts';
import { Scheduler } from './scheduler.ts';
import { Tally } from './tally.ts';

function machine(seed: number): { disk: SimDisk; tally: Tally; settle: () => void } {
  const scheduler = new Scheduler();
  const tally = new Tally();
  const disk = new SimDisk(scheduler, new SeededRandom(seed, 'disk'), tally);
  const settle = (): void => {
    while (scheduler.step(Number.POSITIVE_INFINITY));
  };
  return { disk, tally, settle };
}

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);
const SEEDS = Array.from({ length: 200 }, (_, seed) => seed);

test('what was synced is there after every power cut', () => {
  for (const seed of SEEDS) {
    const { disk, settle } = machine(seed);
    disk.append('log', bytes(1, 2, 3));
    disk.sync('log', (error) => expect(error).toBeUndefined());
    settle();
    disk.append('log', bytes(4, 5, 6));
    disk.append('log', bytes(7, 8, 9));
    disk.crash(true);
    expect(disk.read('log').slice(0, 3)).toEqual(bytes(1, 2, 3));
  }
});

test('what was not synced is lost, torn, full of holes or there; a killed process loses nothing', () => {
  const outcomes = new Set<string>();
  for (const seed of SEEDS) {
    const { disk } = machine(seed);
    for (let i = 0; i < 3; i++) disk.append('log', bytes(1, 2, 3, 4));
    disk.crash(true);
    outcomes.add(disk.read('log').join());
  }
  expect(outcomes.size).toBeGreaterThan(8);
  expect(outcomes).toContain('');
  expect(outcomes).toContain('0,0,0,0,1,2,3,4');
  const { disk } = machine(1);
  disk.append('log', bytes(1, 2, 3, 4));
  disk.crash(false);
  expect(disk.read('log')).toEqual(bytes(1, 2, 3, 4));
});

test('a record is the old or the new one, a slot may be some of both', () => {
  const records = new Set<unknown>();
  const slots = new Set<string>();
  for (const seed of SEEDS) {
    const { disk, settle } = machine(seed);
    disk.put('record', 'old', () => undefined);
    disk.write('slot', bytes(1, 1, 1, 1), () => undefined);
    settle();
    disk.put('record', 'new', () => undefined);
    disk.write('slot', bytes(2, 2, 2, 2), () => undefined);
    disk.crash(true);
    records.add(disk.get('record'));
    slots.add(disk.slot('slot')!.join());
  }
  expect([...records].map(String).sort((a, b) => a.localeCompare(b))).toEqual(['new', 'old']);
  expect([...slots].sort((a, b) => a.localeCompare(b))).toEqual([
    '1,1,1,1',
    '2,1,1,1',
    '2,2,1,1',
    '2,2,2,1',
    '2,2,2,2',
  ]);
});

test('nobody gets an answer to what an earlier life asked', () => {
  const { disk, settle } = machine(1);
  let answers = 0;
  disk.append('log', bytes(1));
  disk.sync('log', () => answers++);
  disk.put('record', 1, () => answers++);
  disk.crash(false);
  settle();
  expect(answers).toBe(0);
});

test('a failed sync says so and may lose what it was to make durable', () => {
  const lengths = new Set<number>();
  for (const seed of SEEDS) {
    const { disk, settle } = machine(seed);
    disk.append('log', bytes(1));
    disk.append('log', bytes(2));
    disk.failingSyncs = 1;
    disk.sync('log', (error) => expect(error?.code).toBe('DISK'));
    settle();
    lengths.add(disk.read('log').length);
  }
  expect([...lengths].sort((a, b) => a - b)).toEqual([0, 1, 2]);
});

test('a full disk takes nothing, and something again when there is space', () => {
  const { disk, settle } = machine(1);
  disk.isFull = true;
  expect(disk.append('log', bytes(1))).toBe(false);
  let code: string | undefined;
  disk.put('record', 1, (error) => {
    code = error?.code;
  });
  settle();
  expect(code).toBe('DISK');
  expect(disk.get('record')).toBeUndefined();
  disk.isFull = false;
  expect(disk.append('log', bytes(1))).toBe(true);
});

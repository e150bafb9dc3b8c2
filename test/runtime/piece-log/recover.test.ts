// Crashes at every point of the simulated disk: what was confirmed is there, what was not is whole or absent.

import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { codeOf, filled, Harness, keyOf } from '../log-harness.ts';
import { seededChance, systemError } from '../simulated-disk.ts';

/** A refusal is what a cut power looks like to a caller; anything but these codes is a defect. */
async function tolerate(call: Promise<unknown>): Promise<void> {
  expect(['none', 'DISK', 'FULL', 'CLOSED']).toContain(await codeOf(call));
}

/** Lets what runs in the background get on. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Puts, replacements, removals, a new file and a compaction, in 30 steps. */
async function story(harness: Harness): Promise<void> {
  for (let step = 0; step < 10; step++) {
    await Promise.all([
      tolerate(harness.put(keyOf(step), filled(300 + step * 40, step), filled(step, step))),
      tolerate(harness.put(keyOf(step % 3), filled(100 + step, 100 + step))),
      tolerate(harness.remove(keyOf((step * 7) % 10))),
    ]);
    await turns(3);
  }
  await turns(20);
}

test('a crash at any operation of the disk loses nothing that was confirmed', async () => {
  const whole = await Harness.open();
  await story(whole);
  const operations = whole.disk.operations;
  await whole.log.close();
  expect(operations).toBeGreaterThan(100);
  for (let cutAt = 12; cutAt < operations; cutAt++) {
    const chance = seededChance(cutAt);
    const harness = await Harness.open();
    harness.disk.hook = () => (harness.disk.operations >= cutAt ? harness.disk.cut() : undefined);
    await story(harness);
    await harness.crash(chance, chance() < 0.8, chance() < 0.8);
    await harness.check();
    // The recovered state lasts, and the log goes on.
    await harness.put(keyOf(50), filled(200, 50));
    await harness.crash(chance, true, chance() < 0.5);
    await harness.check();
    await harness.log.close();
  }
});

type Command =
  | { readonly kind: 'put'; readonly key: number; readonly length: number; readonly seed: number }
  | { readonly kind: 'remove'; readonly key: number }
  | { readonly kind: 'turns'; readonly count: number }
  | { readonly kind: 'restart' }
  | {
      readonly kind: 'crash';
      readonly seed: number;
      readonly losesUnsynced: boolean;
      readonly keepsIndex: boolean;
    }
  | { readonly kind: 'cut'; readonly after: number }
  | { readonly kind: 'tear'; readonly after: number; readonly bytes: number }
  | { readonly kind: 'fail-sync'; readonly after: number }
  | { readonly kind: 'check' };

const lengthOf = fc.oneof(
  { weight: 8, arbitrary: fc.nat(900) },
  { weight: 1, arbitrary: fc.constantFrom(0, 65_535, 65_536, 65_537, 140_000) },
);

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      key: fc.nat(7),
      length: lengthOf,
      seed: fc.nat(60_000),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('remove' as const), key: fc.nat(7) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('turns' as const), count: fc.nat(12) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('crash' as const),
      seed: fc.nat(),
      losesUnsynced: fc.boolean(),
      keepsIndex: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut' as const), after: fc.nat(30) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('tear' as const), after: fc.nat(3), bytes: fc.nat(2000) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fail-sync' as const), after: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'check' as const }) },
);

async function run(harness: Harness, commands: readonly Command[]): Promise<void> {
  let pending: Promise<void>[] = [];
  let mayCheck = true;
  const settle = async (): Promise<void> => {
    await Promise.all(pending);
    pending = [];
  };
  for (const one of commands) {
    switch (one.kind) {
      case 'put':
        pending.push(
          tolerate(
            harness.put(keyOf(one.key), filled(one.length, one.seed), filled(one.seed % 40, one.seed)),
          ),
        );
        break;
      case 'remove':
        pending.push(tolerate(harness.remove(keyOf(one.key))));
        break;
      case 'turns':
        await turns(one.count);
        break;
      case 'restart':
        if (!mayCheck) break;
        await settle();
        expect((await harness.restart()).start).toBe('clean');
        break;
      case 'crash':
        await harness.crash(seededChance(one.seed), one.losesUnsynced, one.keepsIndex);
        mayCheck = true;
        await settle();
        await harness.check();
        break;
      case 'cut': {
        const at = harness.disk.operations + one.after;
        harness.disk.hook = () => (harness.disk.operations >= at ? harness.disk.cut() : undefined);
        mayCheck = false;
        break;
      }
      case 'tear': {
        let left = one.after;
        harness.disk.hook = ({ kind }) => (kind === 'write' && left-- === 0 ? one.bytes : undefined);
        mayCheck = false;
        break;
      }
      case 'fail-sync': {
        let left = one.after;
        harness.disk.hook = ({ kind }) => {
          if (kind === 'sync' && left-- === 0) throw systemError('EIO');
          return undefined;
        };
        mayCheck = false;
        break;
      }
      case 'check':
        await settle();
        if (mayCheck) await harness.check();
        break;
    }
  }
  await settle();
}

test('whatever is put, removed, torn and cut in any order, the log holds what it confirmed', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 60 }), fc.nat(), async (commands, seed) => {
      const harness = await Harness.open();
      await run(harness, commands);
      const chance = seededChance(seed);
      await harness.crash(chance, true, chance() < 0.7);
      await harness.check();
      await harness.restart();
      await harness.check();
      expect((await harness.log.scrub()).damaged).toEqual([]);
      expect(harness.damaged).toEqual([]);
      await harness.log.close();
    }),
    { numRuns: Number(process.env['HOLDFAST_RUNS'] ?? 300) },
  );
});

test('a removal is not undone when its file is compacted, the index lost and an older record still there', async () => {
  const harness = await Harness.open({ logFileLength: 1500 });
  await harness.put(keyOf(1), filled(100, 1));
  await harness.put(keyOf(2), filled(600, 2));
  // The second file: the tombstone, and what makes the file worth compacting.
  await harness.put(keyOf(3), filled(600, 3));
  await harness.remove(keyOf(1));
  await harness.put(keyOf(4), filled(600, 4));
  await harness.remove(keyOf(3));
  await turns(50);
  expect(await harness.disk.list('/log')).not.toContain('00000002.log');
  expect(await harness.disk.list('/log')).toContain('00000001.log');
  expect((await harness.crash(seededChance(1), true, false)).start).toBe('rebuilt');
  await harness.check();
  expect(await harness.log.stat(keyOf(1))).toBe(undefined);
  await harness.log.close();
});

test('tombstones go when the files they speak about are gone', async () => {
  const harness = await Harness.open({ logFileLength: 1000 });
  for (let number = 0; number < 40; number++) {
    await harness.put(keyOf(number), filled(300, number));
    await harness.remove(keyOf(number));
  }
  await harness.put(keyOf(99), filled(300, 99));
  await turns(200);
  expect(harness.log.usage().entries).toBe(1);
  expect(harness.log.usage().logBytes).toBeLessThan(3000);
  await harness.check();
  await harness.log.close();
});

test('a record that a start finds after a failed sync is there to stay, though the disk never had it', async () => {
  const harness = await Harness.open();
  await harness.put(keyOf(1), filled(200, 1));
  harness.disk.hook = ({ kind }) => {
    if (kind === 'sync') throw systemError('EIO');
    return undefined;
  };
  expect(await codeOf(harness.put(keyOf(2), filled(200, 2)))).toBe('DISK');
  // The process ends, the machine goes on: the bytes are in its memory, and count as written.
  await harness.crash(seededChance(1), false);
  await harness.check();
  const found = await harness.log.stat(keyOf(2));
  await harness.crash(seededChance(2), true);
  await harness.check();
  expect(await harness.log.stat(keyOf(2))).toEqual(found);
  await harness.log.close();
});

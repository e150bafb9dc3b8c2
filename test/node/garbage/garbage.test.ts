import fc from 'fast-check';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import { GARBAGE_HEAD_AGE_MAX_MS, GARBAGE_OPEN_GRACES } from '../../../src/base/limits.ts';
import { objectRecordKey, pieceKey } from '../../../src/node/entry-keys.ts';
import type { GarbageOptions } from '../../../src/node/garbage/garbage.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { openKeyValue } from '../../../src/runtime/key-value.ts';
import { openPieceLog } from '../../../src/runtime/piece-log/log.ts';
import { nodeId } from '../../shards/objects.ts';
import { NETWORK } from '../../shards/world.ts';
import {
  entriesOf,
  GarbageWorld,
  GRACE_MS,
  MINUTE_MS,
  objectAt,
  ownPiece,
  rootAt,
  SEGMENTS,
  SELF,
} from './garbage-kit.ts';

const GRACE: number = GRACE_MS / MINUTE_MS;
/** Within this it is certain that everything unnamed goes: a grace, and a round in which it is seen, and one in which it is taken. */
const OVER: number = 2 * GRACE;
const worlds: GarbageWorld[] = [];
afterEach(async () => {
  await Promise.all(worlds.splice(0).map((world) => world.garbage.stop()));
});

async function openWorld(options: Partial<GarbageOptions> = {}): Promise<GarbageWorld> {
  const world = new GarbageWorld(options);
  await world.start();
  worlds.push(world);
  return world;
}

const whole = (name: number): readonly string[] => [
  ...entriesOf(name).map(({ key }) => toHex(key)),
  toHex(objectRecordKey(objectAt(name), entriesOf(name).at(-1)!.key.slice(1) as never)),
];

describe('what the chain names', () => {
  test('stays for ever, and what it does not name goes after the grace and not before', async () => {
    const world = await openWorld();
    await world.put(0);
    await world.put(1);
    await world.register(1, SEGMENTS);
    await world.pass(GRACE - 1);
    expect((await world.inLog()).size).toBe(10);
    expect(world.garbage.status()).toMatchObject({ waitingEntries: 4, waitingBytes: 400, removedEntries: 0 });
    await world.pass(OVER);
    expect([...(await world.inLog())].toSorted()).toEqual([...whole(1)].toSorted());
    expect(world.garbage.status()).toMatchObject({
      waitingEntries: 0,
      waitingBytes: 0,
      removedEntries: 4,
      removedBytes: 400,
    });
    expect(world.lines.join('\n')).toContain('has taken away what the chain does not name');
    await world.pass(5 * GRACE);
    expect([...(await world.inLog())].toSorted()).toEqual([...whole(1)].toSorted());
  });

  test('is a piece with this node as holder and this root: another root at the same place goes', async () => {
    const world = await openWorld();
    await world.put(0);
    await world.register(0, SEGMENTS);
    const [object, pieceIndex] = [objectAt(0), ownPiece(0, 0)];
    const key = pieceKey({ object, segmentIndex: 0, pieceIndex, root: rootAt(7, 0, 0) });
    await world.store({ key, segmentIndex: 0 }, 0);
    await world.give(0, 1, nodeId(4));
    await world.pass(OVER + GRACE);
    const left = await world.inLog();
    expect(left.has(toHex(key))).toBe(false);
    expect(left.has(toHex(entriesOf(0)[1]!.key))).toBe(false);
    expect([...left].toSorted()).toEqual([...world.named([0])].toSorted());
  });

  test('is no longer what an object was that is deleted: it is seen with that block, and the records are told', async () => {
    const removed: Uint8Array[] = [];
    const world = await openWorld({ onRecordsRemoved: (digests) => void removed.push(...digests) });
    await world.put(0);
    await world.register(0, SEGMENTS);
    await world.pass(2 * GRACE + 1);
    await world.delete(0);
    await world.pass(1);
    expect(world.garbage.status().waitingEntries).toBe(4);
    await world.pass(OVER);
    expect((await world.inLog()).size).toBe(0);
    expect(removed.map(toHex)).toEqual([toHex(entriesOf(0).at(-1)!.key.slice(1))]);
  });
});

describe('the grace', () => {
  test('begins anew when the same piece is stored again, or found to be here', async () => {
    const world = await openWorld();
    await world.put(0, entriesOf(0).slice(0, 1));
    await world.pass(GRACE - 2);
    await world.put(0, entriesOf(0).slice(0, 1));
    await world.pass(GRACE - 2);
    expect((await world.inLog()).size).toBe(1);
    await world.pass(OVER);
    expect((await world.inLog()).size).toBe(0);
  });

  test('goes on after a restart', async () => {
    const world = await openWorld();
    await world.put(0);
    await world.pass(GRACE - 2);
    await world.restart();
    await world.pass(GRACE);
    expect((await world.inLog()).size).toBe(0);
  });

  test('of a put that goes on lasts as long as more of it comes, or as its registration gets on', async () => {
    const world = await openWorld();
    for (const entry of entriesOf(0)) {
      await world.store(entry, 0);
      await world.pass(Math.floor(GRACE * 0.7));
    }
    for (let upTo = 0; upTo <= SEGMENTS; upTo++) {
      await world.register(0, upTo);
      expect(await world.missing([0])).toEqual([]);
      await world.pass(Math.floor(GRACE * 0.7));
    }
    await world.pass(5 * GRACE);
    expect([...(await world.inLog())].toSorted()).toEqual([...whole(0)].toSorted());
  });

  test('of a put that goes on for ever ends: nobody stores for nothing by sending a little now and then', async () => {
    const world = await openWorld();
    await world.put(0);
    const lasting = (GARBAGE_OPEN_GRACES + 2) * GRACE;
    for (let minutes = 0, piece = 0; minutes < lasting; minutes += 12, piece++) {
      const object = objectAt(0);
      const key = pieceKey({ object, segmentIndex: 2, pieceIndex: 0, root: rootAt(9, piece, 0) });
      await world.store({ key, segmentIndex: 2 }, 0);
      await world.pass(12);
    }
    const left = await world.inLog();
    expect(entriesOf(0).filter(({ key }) => left.has(toHex(key)))).toEqual([]);
    expect(left.size).toBeGreaterThan(0);
  }, 60_000);

  test('does not pass while the chain is behind, its index is built, or its last block is old', async () => {
    for (const stop of ['isCurrent', 'isWhole'] as const) {
      const world = await openWorld();
      await world.put(0);
      await world.pass(1);
      world[stop] = false;
      await world.pass(3 * GRACE);
      world[stop] = true;
      await world.pass(GRACE - 3);
      expect((await world.inLog()).size, stop).toBe(5);
      await world.pass(OVER);
      expect((await world.inLog()).size, stop).toBe(0);
    }
    const world = await openWorld();
    await world.put(0);
    await world.pass(GRACE - 1);
    world.clock.advance(GARBAGE_HEAD_AGE_MAX_MS + 1);
    await world.settled();
    world.headMs = world.clock.nowMs;
    await world.settled();
    expect((await world.inLog()).size).toBe(5);
  });

  test('does not end for a piece that repair wants', async () => {
    let isWanted = true;
    const world = await openWorld({ isWanted: ({ segmentIndex }) => isWanted && segmentIndex === 1 });
    await world.put(0);
    await world.pass(3 * GRACE);
    expect([...(await world.inLog())]).toEqual([toHex(entriesOf(0)[1]!.key)]);
    isWanted = false;
    await world.pass(GRACE);
    expect((await world.inLog()).size).toBe(0);
  });
});

test('sightings of what others have taken away are forgotten', async () => {
  const world = await openWorld();
  await world.put(0);
  await world.pass(GRACE / 2);
  expect(world.garbage.status().waitingEntries).toBe(4);
  await world.log.remove(whole(0).map((hex) => Uint8Array.from(Buffer.from(hex, 'hex'))));
  await world.pass(GRACE);
  expect(world.garbage.status()).toMatchObject({ waitingEntries: 0, removedEntries: 0 });
});

test('a record that nothing points to goes as well', async () => {
  const world = await openWorld();
  await world.put(0, entriesOf(0).slice(-1));
  await world.log.remove([objectRecordKey(objectAt(0), entriesOf(0).at(-1)!.key.slice(1) as never)]);
  await world.pass(OVER + GRACE);
  expect((await world.inLog()).size).toBe(0);
});

test('on real disks it is the same, over a restart of all', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-garbage-'));
  const world = new GarbageWorld();
  const open = async (): Promise<void> => {
    const { log } = await openPieceLog({
      folder: join(folder, 'pieces'),
      network: NETWORK,
      node: SELF,
      clock: systemClock,
      quotaBytes: 2 ** 30,
      reserveBytes: 0,
    });
    world.disk = log;
    world.keyValue = await openKeyValue(join(folder, 'state'));
    await world.start();
  };
  const close = async (): Promise<void> => {
    await world.garbage.stop();
    await world.disk!.close();
    await world.keyValue.close();
  };
  await open();
  await world.put(0);
  await world.put(1);
  await world.register(1, SEGMENTS);
  await world.pass(GRACE - 4);
  await close();
  await open();
  expect(world.garbage.status()).toMatchObject({ waitingEntries: 4, waitingBytes: 400 });
  await world.pass(OVER);
  expect([...(await world.inLog())].toSorted()).toEqual([...whole(1)].toSorted());
  await close();
  await rm(folder, { recursive: true });
});

describe('at the last moment, when it is about to be taken away,', () => {
  const dueWorld = async (): Promise<GarbageWorld> => {
    const world = await openWorld();
    await world.put(0);
    return world;
  };

  test('what a block names stays', async () => {
    const world = await dueWorld();
    world.beforeLastLook = () => world.register(0, SEGMENTS);
    await world.pass(OVER + GRACE);
    expect(world.beforeLastLook).toBeUndefined();
    expect([...(await world.inLog())].toSorted()).toEqual([...whole(0)].toSorted());
  });

  test('what is stored again stays for another grace', async () => {
    const world = await openWorld();
    await world.put(0);
    await world.register(0, SEGMENTS);
    await world.give(0, 1, nodeId(4));
    world.beforeLastLook = () => world.store(entriesOf(0)[1]!, 0);
    while (world.beforeLastLook !== undefined) await world.pass(1);
    await world.pass(GRACE - 2);
    expect((await world.inLog()).has(toHex(entriesOf(0)[1]!.key))).toBe(true);
    await world.pass(OVER);
    expect((await world.inLog()).has(toHex(entriesOf(0)[1]!.key))).toBe(false);
  });

  test('all of an object stays of which something more is stored', async () => {
    const world = await openWorld();
    await world.put(0, entriesOf(0).slice(0, 2));
    world.beforeLastLook = () => world.store(entriesOf(0)[2]!, 0);
    while (world.beforeLastLook !== undefined) await world.pass(1);
    await world.pass(GRACE - 2);
    expect((await world.inLog()).size).toBe(3);
  });

  test('and already on its way out, it is stored once more by who finds it here: nobody is told that it is here and then loses it', async () => {
    const world = await dueWorld();
    let stored: Promise<void> | undefined;
    world.slow.onRemove = async () => {
      stored = world.put(0);
      for (let turn = 0; turn < 20; turn++) await setImmediate();
    };
    while (stored === undefined) await world.pass(1);
    await stored;
    await world.pass(GRACE - 2);
    expect([...(await world.inLog())].toSorted()).toEqual([...whole(0)].toSorted());
  });

  test('what somebody is just about to rely on stays', async () => {
    const world = await dueWorld();
    await world.register(0, SEGMENTS);
    await world.give(0, 1, nodeId(4));
    const forget = world.sightings.forget.bind(world.sightings);
    const begun = Promise.withResolvers<void>();
    const over = Promise.withResolvers<void>();
    // Its write to the disk takes until the removal has been and gone.
    world.sightings.forget = async (ids, isDurable) => {
      if (isDurable === true) {
        begun.resolve();
        await over.promise;
      }
      await forget(ids, isDurable);
    };
    let touched: Promise<void> | undefined;
    world.beforeLastLook = async () => {
      touched = world.log.touch(entriesOf(0)[1]!.key);
      await begun.promise;
    };
    while (world.beforeLastLook !== undefined) await world.pass(1);
    over.resolve();
    await touched;
    expect((await world.inLog()).has(toHex(entriesOf(0)[1]!.key))).toBe(true);
  });
});

// ---- At random -------------------------------------------------------------------------------------------------

const NAMES = [0, 1, 2];
/** Clients register what they have put, and repair takes over what it has made, well within the grace. */
const WITHIN = 18;

const KINDS = ['put', 'register', 'renew', 'delete', 'give', 'repair', 'restart'] as const;

interface Step {
  readonly kind: (typeof KINDS)[number];
  /** Before it. */
  readonly minutes: number;
  readonly segment: number;
}

const stepArbitrary: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom(...KINDS, 'put', 'put', 'register'),
  minutes: fc.oneof(fc.integer({ min: 0, max: WITHIN - 1 }), fc.integer({ min: GRACE - 4, max: 2 * GRACE })),
  segment: fc.nat(SEGMENTS - 1),
});

/** One object: whoever puts it, its owner and this node's repair, one thing after the other. */
class Actor {
  readonly #world: GarbageWorld;
  readonly #name: number;
  /** Entries of the put that goes on, by their places in `entriesOf`. */
  readonly #stored = new Set<number>();
  #activeMs = 0;

  constructor(world: GarbageWorld, name: number) {
    this.#world = world;
    this.#name = name;
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      const untilMs = this.#world.clock.nowMs + step.minutes * MINUTE_MS;
      while (this.#world.clock.nowMs < untilMs) await setImmediate();
      await this.#do(step);
    }
  }

  get #isActive(): boolean {
    return this.#world.clock.nowMs - this.#activeMs < WITHIN * MINUTE_MS;
  }

  async #do({ kind, segment }: Step): Promise<void> {
    const [world, name] = [this.#world, this.#name];
    const record = world.record(name);
    const registered = record?.registered ?? 0;
    switch (kind) {
      case 'put': {
        // An upload that was left for long begins again.
        if (!this.#isActive) this.#stored.clear();
        if (record !== undefined && registered === SEGMENTS) return;
        const beganMs = world.clock.nowMs;
        const entries = segment === 0 ? [0, 1, 2, 3] : [segment, 3];
        for (const at of entries) {
          if (at < registered) continue;
          await world.store(entriesOf(name)[at]!, name);
          this.#stored.add(at);
        }
        this.#activeMs = beganMs;
        return;
      }
      case 'register': {
        if (!this.#isActive || (record === undefined && !this.#stored.has(3))) return;
        let upTo = registered;
        while (upTo <= segment && this.#stored.has(upTo)) upTo++;
        if (record !== undefined && upTo === registered) return;
        this.#activeMs = world.clock.nowMs;
        await world.register(name, upTo);
        return;
      }
      case 'renew':
        if (record !== undefined) await world.register(name, registered);
        return;
      case 'delete':
        if (record !== undefined) await world.delete(name);
        this.#stored.clear();
        return;
      case 'give':
        if (registered > segment) await world.give(name, segment, nodeId(4));
        return;
      case 'repair': {
        if (registered <= segment) return;
        await world.store(entriesOf(name)[segment]!, name);
        const untilMs = world.clock.nowMs + (WITHIN - 1) * MINUTE_MS;
        while (world.clock.nowMs < untilMs) await setImmediate();
        await world.give(name, segment, SELF);
        return;
      }
      case 'restart':
        return;
    }
  }
}

test('whatever clients, owners and repair do at whatever moment: nothing named is lost, and nothing unnamed stays', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(...NAMES.map(() => fc.array(stepArbitrary, { minLength: 4, maxLength: 12 }))),
      fc.nat(),
      async (scripts, seed) => {
        const world = new GarbageWorld();
        let state = seed;
        const turns = (): number => {
          state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
          return (state >>> 16) % 4;
        };
        world.slow.turns = turns;
        await world.start();
        let running = NAMES.length;
        const actors = NAMES.map(async (name) => {
          await new Actor(world, name).run(scripts[name]!);
          running--;
        });
        for (let minute = 0; running > 0; minute++) {
          await world.pass(1, turns() === 0 ? undefined : () => 3 * turns());
          expect(await world.missing(NAMES)).toEqual([]);
          if (minute % 41 === 40 && scripts.flat().some(({ kind }) => kind === 'restart'))
            await world.restart();
        }
        await Promise.all(actors);
        world.slow.turns = () => 0;
        await world.pass(2 * OVER);
        expect([...(await world.inLog())].toSorted()).toEqual([...world.named(NAMES)].toSorted());
        expect(world.garbage.status()).toMatchObject({ waitingEntries: 0, waitingBytes: 0 });
        await world.garbage.stop();
      },
    ),
    { numRuns: 6, endOnFailure: true },
  );
}, 120_000);

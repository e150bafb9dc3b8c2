import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compare, concat, equal, toHex, toUtf8, uint32 } from '../../../src/base/bytes.ts';
import {
  DIRECTORY_CONTENT_MAX,
  DIRECTORY_CONTENT_MIN,
  DIRECTORY_HEIGHT_MAX,
  DIRECTORY_VALUE_LENGTH_MAX,
  LISTING_NAMES_MAX,
  NAME_LENGTH_MAX,
  STATE_RECORD_LENGTH_MAX,
} from '../../../src/base/limits.ts';
import { verifyListing, verifyName } from '../../../src/shards/directory/listing.ts';
import {
  contentLength,
  decodePage,
  type Page,
  pageKey,
  pageRecord,
} from '../../../src/shards/directory/page.ts';
import {
  type Directory,
  find,
  foundDirectory,
  put,
  range,
  remove,
  removeDirectory,
} from '../../../src/shards/directory/tree.ts';
import { homeOf, type StateKey } from '../../../src/shards/state-key.ts';
import { seeded } from '../../fuzz/mutate.ts';
import { digestFrom } from '../../helpers/records.ts';
import { Memory } from '../memory.ts';

const BUCKET = homeOf('bucket', digestFrom('bucket'));

type Entry = readonly [name: Uint8Array, value: Uint8Array];

/** The twin: a sorted array. */
class SortedNames {
  readonly entries: Entry[] = [];

  #place(name: Uint8Array): { index: number; isThere: boolean } {
    const index = this.entries.findIndex(([other]) => compare(other, name) >= 0);
    if (index < 0) return { index: this.entries.length, isThere: false };
    return { index, isThere: equal(this.entries[index]![0], name) };
  }

  get(name: Uint8Array): Uint8Array | undefined {
    const { index, isThere } = this.#place(name);
    return isThere ? this.entries[index]![1] : undefined;
  }

  put(name: Uint8Array, value: Uint8Array): void {
    const { index, isThere } = this.#place(name);
    this.entries.splice(index, isThere ? 1 : 0, [name, value]);
  }

  remove(name: Uint8Array): void {
    this.entries.splice(this.#place(name).index, 1);
  }

  from(name: Uint8Array, limit: number): readonly Entry[] {
    return this.entries.filter(([other]) => compare(other, name) >= 0).slice(0, limit);
  }
}

/** A directory in memory, and checks of all that it promises. */
class Stored {
  readonly memory = new Memory();
  directory: Directory = this.memory.run((state) => foundDirectory(state, BUCKET));

  put(name: Uint8Array, value: Uint8Array): void {
    this.directory = this.memory.run((state) => put(state, this.directory, name, value))!;
  }

  remove(name: Uint8Array): void {
    this.directory = this.memory.run((state) => remove(state, this.directory, name));
  }

  page(key: StateKey): Page {
    return decodePage(this.memory.read(key)!);
  }

  list(from: Uint8Array, limit: number): ReturnType<typeof range> {
    return this.memory.run((state) => range(state, this.directory, from, limit));
  }

  /** Walks all levels: bounds meet, pages are neither too long nor too short, and there are no others in the state. */
  check(): void {
    const { height } = this.directory;
    let level: Page[] = [this.page(pageKey(BUCKET, height - 1, new Uint8Array(0)))];
    let count = 1;
    for (let at = height - 1; at >= 0; at--) {
      for (const [index, page] of level.entries()) {
        expect(page.level).toBe(at);
        expect(toHex(page.next ?? new Uint8Array(0))).toBe(
          toHex(level[index + 1]?.from ?? new Uint8Array(0)),
        );
        expect(contentLength(page)).toBeLessThanOrEqual(DIRECTORY_CONTENT_MAX);
        if (height > at + 1) expect(contentLength(page)).toBeGreaterThanOrEqual(DIRECTORY_CONTENT_MIN);
        else if (at > 0) expect(page.keys.length).toBeGreaterThan(1);
      }
      if (at === 0) break;
      level = level.flatMap((page) => page.keys.map((from) => this.page(pageKey(BUCKET, at - 1, from))));
      count += level.length;
    }
    expect(this.memory.records.size).toBe(count);
    for (const { bytes } of this.memory.records.values()) {
      expect(bytes.length).toBeLessThanOrEqual(STATE_RECORD_LENGTH_MAX);
    }
  }
}

const value = fc.uint8Array({ minLength: 1, maxLength: 40 });
const longValue = fc
  .integer({ min: 1, max: DIRECTORY_VALUE_LENGTH_MAX })
  .map((length) => new Uint8Array(length).fill(length));
/** Short ones that meet often, ordinary ones, and ones as long as may be that differ late. */
const name = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 2 }),
  fc.nat(400).map((number) => toUtf8(`photos/2024/holiday ${String(number)}`)),
  fc.tuple(fc.nat(60), fc.nat(3)).map(([number, length]) => {
    const long = new Uint8Array(NAME_LENGTH_MAX - length).fill(7);
    return concat(long.subarray(0, -4), uint32(number));
  }),
);
const step = fc.oneof(
  { arbitrary: fc.record({ kind: fc.constant('put'), name, value: fc.oneof(value, longValue) }), weight: 3 },
  { arbitrary: fc.record({ kind: fc.constant('remove'), name, value }), weight: 2 },
  { arbitrary: fc.record({ kind: fc.constant('remove-some'), name, value }), weight: 1 },
  { arbitrary: fc.record({ kind: fc.constant('list'), name, value }), weight: 1 },
);

test('a directory answers as a sorted array does, whatever is put and removed', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 220, size: 'max' }), (steps) => {
      const stored = new Stored();
      const twin = new SortedNames();
      for (const one of steps) {
        if (one.kind === 'put') {
          stored.put(one.name, one.value);
          twin.put(one.name, one.value);
        } else if (one.kind === 'remove') {
          if (twin.get(one.name) === undefined) continue;
          stored.remove(one.name);
          twin.remove(one.name);
        } else if (one.kind === 'remove-some') {
          for (const [other] of twin.from(one.name, 15)) {
            stored.remove(other);
            twin.remove(other);
          }
        } else {
          const limit = 1 + (one.value[0]! % 30);
          const { entries, pages, next } = stored.list(one.name, limit);
          expect(entries).toEqual(twin.from(one.name, limit));
          const proved = verifyListing(
            pages.map((key) => stored.page(key)),
            one.name,
          );
          expect(proved.entries.slice(0, limit)).toEqual(entries);
          if (next === undefined) expect(proved).toEqual({ entries, next: undefined });
        }
        const { value: found, page } = stored.memory.run((state) => find(state, stored.directory, one.name));
        expect(found).toEqual(twin.get(one.name));
        expect(verifyName(stored.page(page), one.name)).toEqual(found);
      }
      stored.check();
    }),
    { numRuns: 60 },
  );
});

test('thousands of changes leave the pages in order, and an emptied directory is one page again', () => {
  const stored = new Stored();
  const twin = new Map<string, Uint8Array>();
  const next = seeded(7);
  const names: Uint8Array[] = [];
  for (let at = 0; at < 6000; at++) {
    const isGrowing = at % 3000 < 2000;
    if (isGrowing || names.length === 0) {
      const long = next() % 40 === 0 ? 600 : 8;
      const fresh = concat(toUtf8('folder/'.repeat(next() % 4)), uint32(next()), new Uint8Array(long));
      stored.put(fresh, new Uint8Array(next() % 200));
      if (!twin.has(toHex(fresh))) names.push(fresh);
      twin.set(toHex(fresh), fresh);
    } else {
      const [gone] = names.splice(next() % names.length, 1);
      stored.remove(gone!);
      twin.delete(toHex(gone!));
    }
    if (at % 1000 === 0) stored.check();
  }
  stored.check();
  expect([...twin.keys()].sort()).toEqual(listAll(stored).map(([key]) => toHex(key)));
  for (const gone of names) stored.remove(gone);
  stored.check();
  expect(stored.directory.height).toBe(1);
  stored.memory.run((state) => removeDirectory(state, stored.directory));
  expect(stored.memory.records.size).toBe(0);
});

function listAll(stored: Stored): readonly Entry[] {
  const all: Entry[] = [];
  let from: Uint8Array | undefined = new Uint8Array(0);
  while (from !== undefined) {
    const listing: ReturnType<typeof range> = stored.list(from, LISTING_NAMES_MAX);
    all.push(...listing.entries);
    from = listing.next;
  }
  return all;
}

/** A directory of many names, its pages laid out from below. */
function laidOut(entries: readonly Entry[]): Stored {
  const stored = new Stored();
  const groups = <T>(all: readonly T[], size: number): T[][] =>
    Array.from({ length: Math.ceil(all.length / size) }, (_, at) => all.slice(at * size, (at + 1) * size));
  const empty = new Uint8Array(0);
  let level: Page[] = groups(entries, 25).map((group, index) => ({
    level: 0,
    from: index === 0 ? empty : group[0]![0],
    next: null,
    keys: group.map(([key]) => key),
    values: group.map(([, one]) => one),
  }));
  stored.memory.run((state) => {
    for (let height = 1; ; height++) {
      for (const [index, page] of level.entries()) {
        const next = level[index + 1]?.from ?? null;
        state.put(pageKey(BUCKET, page.level, page.from), pageRecord, { ...page, next });
      }
      stored.directory = { bucket: BUCKET, height };
      if (level.length === 1) return;
      level = groups(level, 150).map((group) => {
        const keys = group.map(({ from }) => from);
        return { level: height, from: keys[0]!, next: null, keys, values: [] };
      });
    }
  });
  return stored;
}

test('a hundred thousand names are found over few small pages, and a change touches no more', () => {
  const names = Array.from({ length: 100_000 }, (_, number) =>
    concat(digestFrom(`${number % 97}`).subarray(0, 20), uint32(number * 2_654_435_761)),
  ).sort(compare);
  const stored = laidOut(names.map((one) => [one, new Uint8Array(180)]));
  stored.check();
  const { height } = stored.directory;
  expect(height).toBe(3);
  const found = stored.memory.runLoading([], (state) => find(state, stored.directory, names[77]!));
  expect(found.result.value).toHaveLength(180);
  expect(found.rounds).toBe(height);
  const next = seeded(11);
  for (let round = 0; round < 400; round++) {
    const at = next() % names.length;
    const before = new Map(stored.memory.records);
    if (next() % 2 === 0) {
      const fresh = concat(names[at]!, uint32(round));
      stored.put(fresh, new Uint8Array(180));
      expect(stored.memory.run((state) => find(state, stored.directory, fresh)).value).toHaveLength(180);
    } else {
      const [gone] = names.splice(at, 1);
      stored.remove(gone!);
      expect(stored.memory.run((state) => find(state, stored.directory, gone!)).value).toBeUndefined();
    }
    const { records } = stored.memory;
    const written = [...records].filter(([text, record]) => before.get(text) !== record).length;
    const removed = [...before.keys()].filter((text) => !records.has(text)).length;
    expect(written).toBeLessThanOrEqual(height + 1);
    expect(removed).toBeLessThanOrEqual(height);
    if (round % 20 !== 0) continue;
    const listing = stored.memory.runLoading([], (state) =>
      range(state, stored.directory, names[at % names.length]!, LISTING_NAMES_MAX),
    );
    expect(listing.rounds).toBeLessThan(3 * height);
  }
  stored.check();
});

test('a directory grows no higher than it may', () => {
  const empty = new Uint8Array(0);
  const long = (first: number, last = 0): Uint8Array =>
    new Uint8Array(NAME_LENGTH_MAX).fill(first).with(-1, last);
  // Every page on the way is so full that one more of the longest names splits it.
  const full = (height: number): Directory | undefined =>
    new Memory().run((state) => {
      for (let level = 0; level < height; level++) {
        const next = level === height - 1 ? null : long(8 + 3 * level);
        const keys =
          level === 0 ? [1, 2, 3].map((last) => long(7, last)) : [5, 6, 7].map((at) => long(at + 3 * level));
        const page: Page =
          level === 0
            ? { level, from: empty, next, keys, values: keys.map(() => new Uint8Array(300)) }
            : { level, from: empty, next, keys: [empty, ...keys], values: [] };
        state.put(pageKey(BUCKET, level, empty), pageRecord, page);
      }
      return put(state, { bucket: BUCKET, height }, long(7, 4), new Uint8Array(300));
    });
  expect(full(DIRECTORY_HEIGHT_MAX - 1)?.height).toBe(DIRECTORY_HEIGHT_MAX);
  expect(full(DIRECTORY_HEIGHT_MAX)).toBeUndefined();
});

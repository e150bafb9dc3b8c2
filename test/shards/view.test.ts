import { expect, test } from 'vitest';
import { z } from 'zod';
import { encode, uint } from '../../src/base/codec.ts';
import type { RecordType } from '../../src/shards/record.ts';
import { homeOf, type StateKey, stateKey } from '../../src/shards/state-key.ts';
import { LoadedState, MissingRecords, Overlay } from '../../src/shards/view.ts';

const keyOf = (id: number): StateKey => stateKey(homeOf('system'), 'object', new Uint8Array([id]));
const [A, B] = [keyOf(1), keyOf(2)] as const;
const one = new Uint8Array([1]);
const two = new Uint8Array([2]);

function loaded(): LoadedState {
  const state = new LoadedState();
  state.add(A, one);
  state.add(B, null);
  return state;
}

test('what is not loaded is asked for, what is known to be absent is not', () => {
  const state = new Overlay(loaded());
  expect(state.read(B)).toBeNull();
  expect(() => state.read(keyOf(3))).toThrow(MissingRecords);
});

test('an overlay changes nothing below until it is merged', () => {
  const below = new Overlay(loaded());
  const above = new Overlay(below);
  above.write(A, two);
  above.remove(A);
  above.write(B, two);
  expect(below.read(A)).toEqual(one);
  expect(below.changes()).toEqual([]);
  below.merge(above);
  expect(below.changes().map(({ before, after }) => [before, after])).toEqual(
    expect.arrayContaining([
      [one, null],
      [null, two],
    ]),
  );
});

test('what is written as it was is no change, and changes are in the order of paths', () => {
  const state = new Overlay(loaded());
  state.write(A, new Uint8Array([1]));
  expect(state.changes()).toEqual([]);
  state.write(B, one);
  state.write(A, two);
  const paths = state.changes().map(({ key }) => key.text);
  expect(paths).toEqual([A.text, B.text].sort());
});

test('a record under a key that was never used needs no loading, however it is passed on', () => {
  const fresh = keyOf(9);
  const state = new Overlay(loaded());
  const above = new Overlay(state);
  above.create(fresh, one);
  above.write(fresh, two);
  state.merge(above);
  expect(state.changes()).toEqual([{ key: fresh, before: null, after: two }]);
  const later = new Overlay(state);
  later.remove(fresh);
  state.merge(later);
  expect(state.changes()).toEqual([]);
});

// ---- Decoded -------------------------------------------------------------------------------------------------

interface Pair {
  readonly left: number;
  readonly right: number;
}

let decodings = 0;
let encodings = 0;
const pair: RecordType<Pair> = {
  name: 'pair',
  schema: z.tuple([uint(), uint()]).transform(([left, right]): Pair => {
    decodings++;
    return { left, right };
  }),
  tuple: ({ left, right }) => {
    encodings++;
    return [left, right];
  },
};
const exactPair: RecordType<Pair> = { ...pair, isExact: true };
const bytesOf = (left: number, right: number): Uint8Array => encode([left, right]);

test('a record is decoded once, however many overlays are asked for it', () => {
  const state = new LoadedState();
  state.add(A, bytesOf(1, 2));
  decodings = 0;
  for (let round = 0; round < 3; round++) {
    const overlay = new Overlay(new Overlay(state));
    expect(overlay.get(A, pair)).toEqual({ left: 1, right: 2 });
  }
  expect(decodings).toBe(1);
});

test('what is put of an exact type is encoded when its bytes are wanted, once', () => {
  const state = new Overlay(loaded());
  encodings = 0;
  for (let left = 0; left < 5; left++) state.put(A, exactPair, { left, right: 7 });
  expect(state.get(A, exactPair)).toEqual({ left: 4, right: 7 });
  expect(encodings).toBe(0);
  expect(state.read(A)).toEqual(bytesOf(4, 7));
  expect(state.changes()[0]!.after).toEqual(bytesOf(4, 7));
  expect(encodings).toBe(1);
});

test('bytes and decoded form never differ, whichever was written last', () => {
  const state = new Overlay(loaded());
  state.put(A, exactPair, { left: 1, right: 1 });
  const above = new Overlay(state);
  above.write(A, bytesOf(2, 2));
  expect(above.get(A, exactPair)).toEqual({ left: 2, right: 2 });
  expect(state.get(A, exactPair)).toEqual({ left: 1, right: 1 });
  state.merge(above);
  expect(state.get(A, exactPair)).toEqual({ left: 2, right: 2 });
  state.remove(A);
  expect(state.get(A, exactPair)).toBe(undefined);
});

test('what was loaded goes on as the state after the changes that were made on it', () => {
  const before = loaded();
  const state = new Overlay(before);
  state.put(A, exactPair, { left: 3, right: 4 });
  state.put(B, pair, { left: 5, right: 6 });
  before.advance(state.changes());
  expect(before.read(A)).toEqual(bytesOf(3, 4));
  expect(before.get(A, exactPair)).toEqual({ left: 3, right: 4 });
  expect(before.get(B, pair)).toEqual({ left: 5, right: 6 });
  const next = new Overlay(before);
  next.remove(A);
  before.advance(next.changes());
  expect(before.read(A)).toBeNull();
  expect(before.get(A, exactPair)).toBe(undefined);
});

test('what is only overwritten must have been loaded all the same', () => {
  const state = new Overlay(new Overlay(loaded()));
  expect(() => state.touch(keyOf(3))).toThrow(MissingRecords);
  state.touch(A);
  state.write(keyOf(3), one);
  state.touch(keyOf(3));
});

test('a record where there is none needs no loading, and one that was removed before it in the block is still what was before', () => {
  const state = new Overlay(loaded());
  state.add(keyOf(3), exactPair, { left: 1, right: 1 });
  state.remove(A);
  const above = new Overlay(new Overlay(state));
  above.add(A, exactPair, { left: 2, right: 2 });
  const between = new Overlay(state);
  between.merge(above);
  state.merge(between);
  const found = state.changes().map(({ key, before, after }) => [key.text, before, after]);
  expect(found).toEqual(
    [
      [A.text, one, bytesOf(2, 2)],
      [keyOf(3).text, null, bytesOf(1, 1)],
    ].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
  );
});

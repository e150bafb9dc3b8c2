import { expect, test } from 'vitest';
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

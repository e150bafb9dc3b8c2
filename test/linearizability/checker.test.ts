import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Call, type Condition, linearize, type Operation, type Result } from './checker.ts';

const ANY: Condition = { kind: 'any' };
const put = (value: string, condition: Condition = ANY): Call => ({ kind: 'put', value, condition });
const get: Call = { kind: 'get' };
const DONE: Result = { kind: 'done' };
const REFUSED: Result = { kind: 'refused' };
const UNKNOWN: Result = { kind: 'unknown' };
const saw = (value: string | undefined): Result => ({ kind: 'value', value });

const at = (begunAt: number, endedAt: number, call: Call, result: Result): Operation => ({
  client: 0,
  call,
  result,
  begunAt,
  endedAt,
});

const holds = (...history: readonly Operation[]): boolean => linearize(history) !== undefined;

test('a read sees the write that ended before it', () => {
  expect(holds(at(0, 1, put('a'), DONE), at(2, 3, get, saw('a')))).toBe(true);
  expect(holds(at(0, 1, put('a'), DONE), at(2, 3, get, saw(undefined)))).toBe(false);
});

test('writes at the same time come in either order, and all readers see the same one', () => {
  const writes = [at(0, 10, put('a'), DONE), at(0, 10, put('b'), DONE)];
  expect(holds(...writes, at(11, 12, get, saw('a')))).toBe(true);
  expect(holds(...writes, at(11, 12, get, saw('b')))).toBe(true);
  expect(holds(...writes, at(11, 12, get, saw('a')), at(13, 14, get, saw('b')))).toBe(false);
});

test('of two swaps from the same value one is refused', () => {
  const swap = (value: string): Call => put(value, { kind: 'match', value: 'a' });
  const before = at(0, 1, put('a'), DONE);
  expect(holds(before, at(2, 9, swap('b'), DONE), at(2, 9, swap('c'), REFUSED))).toBe(true);
  expect(holds(before, at(2, 9, swap('b'), DONE), at(2, 9, swap('c'), DONE))).toBe(false);
  expect(holds(before, at(2, 9, swap('b'), REFUSED), at(2, 9, swap('c'), REFUSED))).toBe(false);
});

test('what is not known may have happened late, or never, but not twice', () => {
  const lost = at(0, Number.POSITIVE_INFINITY, put('a'), UNKNOWN);
  const seen = at(5, 6, get, saw('a'));
  expect(holds(lost, at(1, 2, get, saw(undefined)), seen)).toBe(true);
  expect(holds(lost, at(5, 6, get, saw(undefined)))).toBe(true);
  expect(holds(lost, seen, at(7, 8, put('b'), DONE), at(9, 10, get, saw('a')))).toBe(false);
});

test('a delete takes what is there, and only that', () => {
  const remove: Call = { kind: 'delete', condition: ANY };
  expect(holds(at(0, 1, put('a'), DONE), at(2, 3, remove, DONE), at(4, 5, get, saw(undefined)))).toBe(true);
  expect(holds(at(0, 1, put('a'), DONE), at(2, 3, remove, REFUSED))).toBe(false);
  expect(holds(at(0, 1, remove, DONE))).toBe(false);
});

/** Histories that a single register gave, each operation having had its effect at some time between begin and end. */
const honest = fc
  .array(
    fc.record({
      kind: fc.constantFrom('get', 'put', 'absent', 'match', 'delete'),
      before: fc.integer({ min: 0, max: 8 }),
      after: fc.integer({ min: 0, max: 8 }),
      guess: fc.nat(),
      isLost: fc.boolean(),
    }),
    { maxLength: 12 },
  )
  .map((plans): Operation[] => {
    let state: string | undefined;
    const values: string[] = [];
    return plans.map(({ kind, before, after, guess, isLost }, index) => {
      const value = `v${index}`;
      const match: Condition = { kind: 'match', value: values[guess % (values.length || 1)] ?? 'none' };
      const condition: Condition = kind === 'absent' ? { kind: 'absent' } : kind === 'match' ? match : ANY;
      const call: Call =
        kind === 'get' ? get : kind === 'delete' ? { kind: 'delete', condition } : put(value, condition);
      const isAllowed =
        condition.kind === 'any' ||
        (condition.kind === 'absent' ? state === undefined : state === condition.value);
      let result: Result;
      if (call.kind === 'get') result = saw(state);
      else if (call.kind === 'delete') {
        result = state === undefined ? REFUSED : DONE;
        state = undefined;
      } else if (isAllowed) {
        state = value;
        values.push(value);
        result = DONE;
      } else result = REFUSED;
      const isUnknown = isLost && call.kind !== 'get';
      return at(
        10 * index - before,
        isUnknown ? Number.POSITIVE_INFINITY : 10 * index + after,
        call,
        isUnknown ? UNKNOWN : result,
      );
    });
  });

test('what one register did is always found to be in order', () => {
  fc.assert(fc.property(honest, (history) => linearize(history) !== undefined));
});

test('an order that is found gives the results, and respects who ended before whom', () => {
  fc.assert(
    fc.property(honest, (history) => {
      const order = linearize(history)!;
      for (const [index, operation] of order.entries()) {
        for (const later of order.slice(index + 1))
          expect(later.endedAt).toBeGreaterThanOrEqual(operation.begunAt);
      }
    }),
  );
});

test('a value that nobody wrote is never in order', () => {
  fc.assert(
    fc.property(
      honest,
      (history) => linearize([...history, at(1_000, 1_001, get, saw('nobody'))]) === undefined,
    ),
  );
});

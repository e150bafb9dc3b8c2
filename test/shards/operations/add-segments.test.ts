import { expect, test } from 'vitest';
import { expectCode } from '../../helpers/expect-code.ts';
import { addition, idOf, Objects, registration, shapeOf } from '../objects.ts';

// A record holds 64 segments of four pieces.
const COUNT = 150;
const SHAPE = shapeOf(COUNT);
const id = idOf('ann', 'film');

function withFirst(count = 10): Objects {
  const homes = new Objects();
  expect(homes.do('ann', 'register-object', registration('ann', 'film', SHAPE, count))).toBeUndefined();
  return homes;
}

test('an object too large for one transaction is registered in parts of any size, across records', () => {
  const homes = withFirst();
  for (const [first, count] of [
    [10, 1],
    [11, 60],
    [71, 57],
    [128, 22],
  ] as const) {
    expect(homes.object(id)?.registered).toBe(first);
    expect(homes.do('ann', 'add-segments', addition('ann', 'film', SHAPE, first, count))).toBeUndefined();
  }
  expect(homes.object(id)?.registered).toBe(COUNT);
  const all = registration('ann', 'film', SHAPE).segments;
  expect(homes.segments(id)).toEqual(all.map(({ salt, roots, holders }) => ({ salt, roots, holders })));
});

test('a part is added once, and none is left out', () => {
  const homes = withFirst();
  const part = addition('ann', 'film', SHAPE, 10, 5);
  expect(homes.do('ann', 'add-segments', part)).toBeUndefined();
  expect(homes.do('ann', 'add-segments', part)).toBe('condition-failed');
  expect(homes.do('ann', 'add-segments', addition('ann', 'film', SHAPE, 16, 5))).toBe('condition-failed');
});

test('parts come from the owner, with certificates, for an object that there is and is kept', () => {
  const part = addition('ann', 'film', SHAPE, 10, 2);
  expect(new Objects().do('ann', 'add-segments', part)).toBe('no-such-object');
  const homes = withFirst();
  expect(homes.do('bob', 'add-segments', part)).toBe('not-the-owner');
  const [first, second] = part.segments;
  const swapped = { ...part, segments: [second!, first!] };
  expect(homes.do('ann', 'add-segments', swapped)).toBe('invalid-certificate');
  homes.do('ann', 'delete-object', { object: id });
  expect(homes.do('ann', 'add-segments', part)).toBe('no-such-object');
});

test('nothing is added to an object that has expired', () => {
  const homes = new Objects();
  const expiresAtMs = homes.timeMs + 5;
  homes.do('ann', 'register-object', { ...registration('ann', 'film', SHAPE, 1), expiresAtMs });
  homes.timeMs += 6;
  expect(homes.do('ann', 'add-segments', addition('ann', 'film', SHAPE, 1, 1))).toBe('expired');
});

test('certificates for another shape than the registered one are refused', () => {
  const homes = withFirst();
  const other = shapeOf(COUNT, { code: { k: 3, n: 4 } });
  expect(homes.do('ann', 'add-segments', addition('ann', 'film', other, 10, 1))).toBe('invalid-argument');
});

test('a part beyond the end, or of nothing, has no form', () => {
  const homes = withFirst();
  const part = addition('ann', 'film', SHAPE, COUNT - 1, 1);
  expectCode('INVALID_ENCODING', () => homes.act('ann', 'add-segments', { ...part, first: COUNT }));
  expectCode('INVALID_ENCODING', () => homes.act('ann', 'add-segments', { ...part, segments: [] }));
});

import { expect, test } from 'vitest';
import { DELETED_RECORDS_MAX } from '../../../src/base/limits.ts';
import { putObject, putSegments, segmentsOf } from '../../../src/shards/object-record.ts';
import { segmentsPerRecord } from '../../../src/shards/object-shape.ts';
import { idOf, Objects, registration, shapeOf } from '../objects.ts';

const id = idOf('ann', 'cat');
const recordsOf = (homes: Objects): number =>
  [...homes.memory.records.values()].filter(({ key }) => key.home.kind === 'object').length;

test('an object is deleted by its owner, without a trace', () => {
  const homes = new Objects();
  homes.do('ann', 'register-object', registration('ann', 'cat', shapeOf(3)));
  expect(homes.do('bob', 'delete-object', { object: id })).toBe('not-the-owner');
  expect(homes.do('ann', 'delete-object', { object: id })).toBeUndefined();
  expect(recordsOf(homes)).toBe(0);
  expect(homes.do('ann', 'delete-object', { object: id })).toBe('no-such-object');
  expect(homes.do('ann', 'register-object', registration('ann', 'cat', shapeOf(3)))).toBeUndefined();
});

test('anybody deletes what has expired', () => {
  const homes = new Objects();
  const expiresAtMs = homes.timeMs + 10;
  homes.do('ann', 'register-object', { ...registration('ann', 'cat', shapeOf(1)), expiresAtMs });
  homes.timeMs = expiresAtMs;
  expect(homes.do('bob', 'delete-object', { object: id })).toBe('not-the-owner');
  homes.timeMs++;
  expect(homes.do('bob', 'delete-object', { object: id })).toBeUndefined();
  expect(recordsOf(homes)).toBe(0);
});

test('a large object is deleted in several transactions, and is gone for everybody from the first on', () => {
  const homes = new Objects();
  const parts = 2 * DELETED_RECORDS_MAX + 1;
  const perRecord = segmentsPerRecord({ k: 2, n: 4 });
  const shape = shapeOf(parts * perRecord);
  homes.do('ann', 'register-object', registration('ann', 'cat', shape, 1));
  // What adding the rest in hundreds of transactions comes to.
  homes.memory.run((state) => {
    const [segment] = segmentsOf(state, id, 0);
    for (let part = 0; part < parts; part++) {
      putSegments(
        state,
        id,
        part,
        Array.from({ length: perRecord }, () => segment!),
      );
    }
    putObject(state, id, { ...homes.object(id)!, registered: parts * perRecord - 3 });
  });
  expect(homes.do('ann', 'delete-object', { object: id })).toBeUndefined();
  expect(recordsOf(homes)).toBe(1 + parts - DELETED_RECORDS_MAX);
  expect(homes.object(id)).toMatchObject({
    isLeaving: true,
    registered: (parts - DELETED_RECORDS_MAX) * perRecord,
  });
  expect(homes.do('ann', 'renew-object', { object: id, expiresAtMs: null, payment: 0n })).toBe(
    'no-such-object',
  );
  expect(homes.do('ann', 'register-object', registration('ann', 'cat', shape, 1))).toBe('already-exists');
  homes.do('ann', 'delete-object', { object: id });
  expect(recordsOf(homes)).toBe(2);
  homes.do('ann', 'delete-object', { object: id });
  expect(recordsOf(homes)).toBe(0);
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toUtf8 } from '../../../src/base/bytes.ts';
import { etagOf } from '../../../src/shards/name-entry.ts';
import { expectCode } from '../../helpers/expect-code.ts';
import { ABSENT, ANY, bucketIdFor, Buckets } from '../buckets.ts';
import { referenceTo } from '../storage-samples.ts';

function withNames(): Buckets {
  const homes = new Buckets();
  homes.create('ann', 'photos');
  homes.create('ann', 'archive');
  homes.put('ann', 'photos', 'a', 'cat');
  homes.put('ann', 'photos', 'b', 'dog');
  return homes;
}

const shown = (homes: Buckets, bucket: string): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(homes.names('ann', bucket)).map(([name, { object }]) => [name, object]));

test('within a bucket the object is under the new name and no more under the old one, at once', () => {
  const homes = withNames();
  const id = homes.nextId;
  homes.act('ann', 'rename', homes.renaming('ann', ['photos', 'a'], ['photos', 'c']));
  expect(homes.arrive()).toEqual({ kind: 'rename', refusal: undefined });
  expect(homes.waiting).toEqual([]);
  expect(shown(homes, 'photos')).toEqual({ b: referenceTo('dog'), c: referenceTo('cat') });
  expect(homes.entry('ann', 'photos', 'c')?.etag).toEqual(etagOf(id));
});

test('what the conditions do not allow is refused, and both names stay as they were', () => {
  const homes = withNames();
  const before = shown(homes, 'photos');
  const wrong = { kind: 'match', etag: new Uint8Array(16) } as const;
  const bad = homes.renaming('ann', ['photos', 'a'], ['photos', 'b']) as { source: object };
  expect(homes.do('ann', 'rename', { ...bad, source: { ...bad.source, condition: wrong } })).toBe(
    'condition-failed',
  );
  expect(homes.do('ann', 'rename', homes.renaming('ann', ['photos', 'a'], ['photos', 'b'], ABSENT))).toBe(
    'condition-failed',
  );
  expect(homes.do('ann', 'rename', homes.renaming('ann', ['photos', 'x'], ['photos', 'y']))).toBe(
    'no-such-name',
  );
  expect(homes.do('ann', 'rename', homes.renaming('ann', ['music', 'x'], ['photos', 'y']))).toBe(
    'no-such-bucket',
  );
  expect(homes.do('bob', 'rename', homes.renaming('ann', ['photos', 'a'], ['photos', 'y']))).toBe(
    'not-the-owner',
  );
  expectCode('INVALID_ENCODING', () =>
    homes.act('ann', 'rename', homes.renaming('ann', ['photos', 'a'], ['photos', 'a'])),
  );
  expect(shown(homes, 'photos')).toEqual(before);
});

test('over another name within the bucket, the other object loses its name', () => {
  const homes = withNames();
  expect(homes.do('ann', 'rename', homes.renaming('ann', ['photos', 'a'], ['photos', 'b']))).toBeUndefined();
  expect(shown(homes, 'photos')).toEqual({ b: referenceTo('cat') });
});

test('between buckets the old name can be read until the new one is there, and nothing else changes it meanwhile', () => {
  const homes = withNames();
  homes.act('ann', 'rename', homes.renaming('ann', ['photos', 'a'], ['archive', 'c']));
  homes.arrive();
  expect(homes.entry('ann', 'photos', 'a')?.object).toEqual(referenceTo('cat'));
  const [departed] = homes.waiting.splice(0);
  expect(homes.put('ann', 'photos', 'a', 'owl')).toBe('too-early');
  expect(homes.delete('ann', 'photos', 'a')).toBe('too-early');
  expect(homes.do('ann', 'rename', homes.renaming('ann', ['photos', 'a'], ['archive', 'd']))).toBe(
    'too-early',
  );
  expect(homes.do('ann', 'rename', homes.renaming('ann', ['photos', 'b'], ['photos', 'a']))).toBe(
    'too-early',
  );
  homes.delete('ann', 'photos', 'b');
  expect(homes.do('ann', 'delete-bucket', { bucket: bucketIdFor('ann', 'photos') })).toBe('not-empty');
  homes.waiting.push(departed!);
  homes.arrive();
  expect(shown(homes, 'archive')).toEqual({ c: referenceTo('cat') });
  expect(shown(homes, 'photos')).toEqual({ a: referenceTo('cat') });
  homes.arrive();
  expect(shown(homes, 'photos')).toEqual({});
  expect(homes.waiting).toEqual([]);
});

test.each([
  [
    'the bucket is not there',
    (homes: Buckets) => homes.renaming('ann', ['photos', 'a'], ['music', 'c']),
    'no-such-bucket',
  ],
  [
    'the name is taken',
    (homes: Buckets) => {
      homes.put('ann', 'archive', 'c', 'owl');
      return homes.renaming('ann', ['photos', 'a'], ['archive', 'c'], ABSENT);
    },
    'condition-failed',
  ],
  [
    "the bucket is another owner's",
    (homes: Buckets) => {
      homes.create('bob', 'loot');
      return {
        source: { bucket: bucketIdFor('ann', 'photos'), name: toUtf8('a'), condition: ANY },
        destination: { bucket: bucketIdFor('bob', 'loot'), name: toUtf8('a'), condition: ANY },
      };
    },
    'not-the-owner',
  ],
] as const)('when %s the old name is given back, as it was', (_what, make, refusal) => {
  const homes = withNames();
  const parameters = make(homes);
  const before = homes.names('ann', 'photos');
  expect(homes.do('ann', 'rename', parameters)).toBe(refusal);
  expect(homes.names('ann', 'photos')).toEqual(before);
  expect(homes.put('ann', 'photos', 'a', 'owl')).toBeUndefined();
});

test('when the destination is not reached in time the old name is given back, as it was', () => {
  const homes = withNames();
  const before = homes.names('ann', 'photos');
  homes.act('ann', 'rename', homes.renaming('ann', ['photos', 'a'], ['archive', 'c']));
  homes.arrive();
  homes.expire();
  expect(homes.settle()).toEqual([{ kind: 'end-move', refusal: undefined }]);
  expect(homes.names('ann', 'photos')).toEqual(before);
  expect(shown(homes, 'archive')).toEqual({});
});

test('whatever arrives late, expires or is refused, every object keeps one name', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('rename'), from: fc.nat(5), to: fc.nat(5) }),
    fc.record({ kind: fc.constant('arrive'), from: fc.nat(5), to: fc.nat(5) }),
    fc.record({ kind: fc.constant('expire'), from: fc.nat(5), to: fc.nat(5) }),
  );
  const places = ['photos', 'archive', 'missing'].flatMap((bucket) =>
    ['x', 'y'].map((name) => [bucket, name] as const),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const homes = new Buckets();
      for (const bucket of ['photos', 'archive']) homes.create('ann', bucket);
      homes.put('ann', 'photos', 'x', 'cat');
      homes.put('ann', 'archive', 'x', 'dog');
      for (const { kind, from, to } of steps) {
        if (kind === 'rename') {
          if (from === to) continue;
          homes.act('ann', 'rename', homes.renaming('ann', places[from]!, places[to]!, ABSENT));
        } else if (homes.waiting.length === 0) continue;
        else if (kind === 'expire' && homes.waiting[0]!.kind !== 'end-move') homes.expire();
        else homes.arrive();
        const there = [...Object.values(shown(homes, 'photos')), ...Object.values(shown(homes, 'archive'))];
        for (const what of ['cat', 'dog']) expect(there).toContainEqual(referenceTo(what));
      }
      homes.settle();
      const all = [
        ...Object.values(homes.names('ann', 'photos')),
        ...Object.values(homes.names('ann', 'archive')),
      ];
      expect(all.map(({ movingAs }) => movingAs)).toEqual([null, null]);
      const objects = all.map(({ object }) => object);
      for (const what of ['cat', 'dog']) expect(objects).toContainEqual(referenceTo(what));
    }),
    { numRuns: 100 },
  );
});

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compare, concat, fromHex, toHex, toUtf8 } from '../../../src/base/bytes.ts';
import type { ContentKey, ObjectId } from '../../../src/base/ids.ts';
import {
  createNameKeys,
  frameLength,
  nameKeysOfSeed,
  unwrapKey,
  wrapKey,
} from '../../../src/client/names/name-cipher.ts';
import { encryptedNames, plainNames } from '../../../src/client/names/name-codec.ts';
import { open, seal } from '../../../src/client/names/siv.ts';
import { NAME_LENGTH_MAX, WRAPPED_KEY_LENGTH_MAX } from '../../../src/base/limits.ts';
import type { BucketId } from '../../../src/shards/bucket.ts';
import { expectCode } from '../../helpers/expect-code.ts';
import { digestFrom } from '../../helpers/records.ts';

interface Vectors {
  readonly seed: string;
  readonly secret: string;
  readonly names: readonly { readonly bucket: string; readonly key: string; readonly name: string }[];
  readonly wrapped: readonly { readonly object: string; readonly key: string; readonly wrapped: string }[];
}

const vectors = JSON.parse(
  readFileSync(new URL('../../vectors/names.json', import.meta.url), 'utf8'),
) as Vectors;
const keys = createNameKeys(fromHex(vectors.secret));
const bucket = digestFrom<BucketId>('bucket');
const component = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((text) => !/[/\0]/.test(text) && text !== '.' && text !== '..');
const key = fc.array(component, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/'));

test('the keys of names follow from the seed of the owner', () => {
  expect(nameKeysOfSeed(fromHex(vectors.seed))).toEqual(keys);
  expectCode('INVALID_ARGUMENT', () => nameKeysOfSeed(new Uint8Array(64)));
});

test('names are to the byte what a second implementation makes of them', () => {
  for (const vector of vectors.names) {
    const codec = encryptedNames(keys, fromHex(vector.bucket) as BucketId);
    expect(toHex(codec.encode(vector.key))).toBe(vector.name);
    expect(codec.decode(fromHex(vector.name))).toBe(vector.key);
  }
});

test('wrapped keys are to the byte what a second implementation makes of them', () => {
  for (const vector of vectors.wrapped) {
    const object = fromHex(vector.object) as ObjectId;
    const wrapped = wrapKey(keys, object, fromHex(vector.key) as ContentKey);
    expect(toHex(wrapped)).toBe(vector.wrapped);
    expect(wrapped.length).toBeLessThanOrEqual(WRAPPED_KEY_LENGTH_MAX);
    expect(toHex(unwrapKey(keys, object, wrapped))).toBe(vector.key);
  }
});

test('every key comes back, and equal keys have equal names', () => {
  const codec = encryptedNames(keys, bucket);
  fc.assert(
    fc.property(key, (text) => {
      const name = codec.encode(text);
      expect(codec.encode(text)).toEqual(name);
      expect(codec.decode(name)).toBe(text);
      expect(plainNames.decode(plainNames.encode(text))).toBe(text);
    }),
  );
});

test('equal names in other folders, buckets or under other keys have nothing in common', () => {
  const others = [
    encryptedNames(keys, bucket).encode('cat'),
    encryptedNames(keys, digestFrom<BucketId>('other')).encode('cat'),
    encryptedNames(createNameKeys(digestFrom('other')), bucket).encode('cat'),
    encryptedNames(keys, bucket).encode('dog/cat').subarray(33),
    encryptedNames(keys, bucket).encode('cat/cat').subarray(33),
  ];
  for (const [index, name] of others.entries()) {
    for (const other of others.slice(index + 1)) {
      expect(toHex(name.subarray(1, 17))).not.toBe(toHex(other.subarray(1, 17)));
      expect(toHex(name.subarray(17))).not.toBe(toHex(other.subarray(17)));
    }
  }
});

test('a name whose every bit may be flipped is read nowhere else and in no other form', () => {
  const codec = encryptedNames(keys, bucket);
  const name = codec.encode('2024/cat.jpg');
  for (let bit = 0; bit < name.length * 8; bit++) {
    const flipped = name.slice();
    flipped[bit >>> 3]! ^= 1 << (bit & 7);
    expect(codec.decode(flipped)).toBeUndefined();
  }
  expect(encryptedNames(createNameKeys(digestFrom('other')), bucket).decode(name)).toBeUndefined();
  expect(encryptedNames(keys, digestFrom<BucketId>('other')).decode(name)).toBeUndefined();
  expect(codec.decode(name.subarray(33))).toBeUndefined();
  expect(codec.decode(concat(name, new Uint8Array([0x80])))).toBeUndefined();
});

test('the length of a component shows to sixteen bytes and not to one', () => {
  const lengths = [1, 15, 16, 17, 32, 33].map(
    (length) => encryptedNames(keys, bucket).encode('x'.repeat(length)).length,
  );
  expect(lengths).toEqual([33, 33, 33, 49, 49, 65]);
});

test('a folder is one run of names: what lies in it stands together, and nothing else between', () => {
  for (const codec of [plainNames, encryptedNames(keys, bucket)]) {
    fc.assert(
      fc.property(fc.uniqueArray(key, { minLength: 1, maxLength: 30 }), (texts) => {
        const sorted = texts
          .map((text) => ({ text, name: codec.encode(text) }))
          .sort((a, b) => compare(a.name, b.name));
        const folders = new Set(
          texts.flatMap((text) => [...text.matchAll(/\//g)].map(({ index }) => text.slice(0, index + 1))),
        );
        for (const folder of folders) {
          const inside = sorted.map(({ text }) => text.startsWith(folder));
          expect(inside.lastIndexOf(true) - inside.indexOf(true) + 1).toBe(inside.filter(Boolean).length);
        }
      }),
      { numRuns: 50 },
    );
  }
});

test('no encrypted name is taken for a plain one, nor the other way round', () => {
  const codec = encryptedNames(keys, bucket);
  fc.assert(
    fc.property(key, (text) => {
      expect(plainNames.decode(codec.encode(text))).toBeUndefined();
      expect(codec.decode(toUtf8(text))).toBeUndefined();
    }),
  );
  for (let byte = 0; byte < 256; byte++) {
    const name = new Uint8Array(1100);
    name[0] = byte;
    expect(frameLength(name, 0) !== undefined).toBe(byte >= 0x80 && byte < 0xc0);
  }
});

test('a key that fits only in the clear is refused with what to do', () => {
  const deep = Array.from({ length: 60 }, () => 'folder').join('/');
  expect(plainNames.encode(deep)).toHaveLength(419);
  expect(expectCode('INVALID_ARGUMENT', () => encryptedNames(keys, bucket).encode(deep)).next).toContain(
    'fewer folders',
  );
  // Any key of a dozen folders does.
  const wide = Array.from({ length: 15 }, () => 'x'.repeat(67)).join('/');
  expect(encryptedNames(keys, bucket).encode(wide).length).toBeLessThanOrEqual(NAME_LENGTH_MAX);
});

test('a content key is unwrapped for its object and its owner only', () => {
  const object = digestFrom<ObjectId>('object');
  const content = digestFrom<ContentKey>('content');
  const wrapped = wrapKey(keys, object, content);
  expectCode('WRONG_KEY', () => unwrapKey(keys, digestFrom<ObjectId>('another'), wrapped));
  expectCode('WRONG_KEY', () => unwrapKey(createNameKeys(digestFrom('other')), object, wrapped));
  expectCode('WRONG_KEY', () => unwrapKey(keys, object, new Uint8Array(0)));
  for (let length = 0; length < wrapped.length; length++) {
    expectCode('WRONG_KEY', () => unwrapKey(keys, object, wrapped.subarray(0, length)));
  }
  expectCode('WRONG_KEY', () => unwrapKey(keys, object, concat(new Uint8Array([2]), wrapped.subarray(1))));
  expectCode('INVALID_ARGUMENT', () => createNameKeys(new Uint8Array(31)));
});

test('what is sealed opens in its context, and nothing that was changed does', () => {
  const bytes = fc.uint8Array({ maxLength: 200 });
  fc.assert(
    fc.property(bytes, fc.nat(), (plaintext, bit) => {
      const context = digestFrom('context');
      const sealed = seal(keys.names, context, plaintext);
      expect(open(keys.names, context, sealed)).toEqual(plaintext);
      expect(open(keys.contentKeys, context, sealed)).toBeUndefined();
      expect(open(keys.names, digestFrom('other'), sealed)).toBeUndefined();
      const at = bit % (sealed.length * 8);
      sealed[at >>> 3]! ^= 1 << (at & 7);
      expect(open(keys.names, context, sealed)).toBeUndefined();
    }),
  );
});

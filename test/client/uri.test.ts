import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ContentKey, Digest, NetworkId } from '../../src/base/ids.ts';
import { formatUri, parseUri, splitUri } from '../../src/client/uri.ts';
import { expectCode } from '../helpers/expect-code.ts';

const digest = new Uint8Array(32).fill(7) as Digest;
const network = new Uint8Array(32).fill(0xab) as NetworkId;
const key = new Uint8Array(32).fill(5) as ContentKey;
const uri = formatUri(digest, network, key);
const cid = uri.slice(8, 67);

test('a private and a public URI have one frozen form', () => {
  expect(uri).toBe(
    'store://bafyreiaha4dqobyha4dqobyha4dqobyha4dqobyha4dqobyha4dqobyha4#abababab.BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU',
  );
  expect(formatUri(digest, network, undefined)).toBe(`store://${cid}#abababab`);
});

test('what was formatted is parsed to the same', () => {
  const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(bytes, bytes, fc.option(bytes), (a, b, c) => {
      const made = formatUri(a as Digest, b as NetworkId, (c ?? undefined) as ContentKey | undefined);
      const parsed = parseUri(made, b as NetworkId);
      expect(parsed.digest).toEqual(a);
      expect(parsed.key).toEqual(c ?? undefined);
    }),
  );
});

describe('INVALID_URI says what is wrong, and shows an example', () => {
  const wrong: readonly [string, string][] = [
    ['', 'does not start with'],
    ['https://example.org', 'does not start with'],
    [`STORE://${cid}#abababab`, 'does not start with'],
    [`store://${cid}`, 'after # is missing'],
    [`store://${cid}#`, 'eight hex digits'],
    [`store://${cid}#ABABABAB`, 'eight hex digits'],
    [`store://${cid}#abababa`, 'eight hex digits'],
    [`store://${cid}#abababab.`, '43 characters'],
    [`store://${cid}#abababab.short`, '43 characters'],
    [`${uri}A`, '43 characters'],
    [`${uri.slice(0, -1)}V`, 'last character'],
    [`${uri}.x`, 'more than one dot'],
    [`store://${'x'.repeat(400)}#abababab`, 'too long'],
  ];
  for (const [text, reason] of wrong) {
    test(JSON.stringify(text.slice(0, 80)), () => {
      const error = expectCode('INVALID_URI', () => splitUri(text));
      expect(error.message).toContain(reason);
      expect(error.next).toContain('store://');
    });
  }
  test('a CID that is none, or not of a record', () => {
    for (const text of [
      'bafy',
      cid.slice(0, -1),
      `${cid}a`,
      cid.toUpperCase(),
      `z${cid.slice(1)}`,
      'bafkr4ihaajyqj4mqjwxbvqpdwtpb4o2sqvqoalhvzjrlpbzpqu5ksuarhq',
    ]) {
      expectCode('INVALID_URI', () => splitUri(`store://${text}#abababab`));
    }
  });
  test('anything that is not text', () => {
    for (const value of [undefined, null, 7, {}]) expectCode('INVALID_URI', () => splitUri(value as never));
  });
});

test('a URI of another network is WRONG_NETWORK and names both', () => {
  const error = expectCode('WRONG_NETWORK', () => parseUri(uri, new Uint8Array(32).fill(1) as NetworkId));
  expect(error.message).toContain('abababab');
  expect(error.message).toContain('01010101');
});

test('any damage to a URI is found or names something else: never the same object', () => {
  fc.assert(
    fc.property(
      fc.nat({ max: uri.length - 1 }),
      fc.constantFrom(...'abcXYZ019-_.#/:'.split('')),
      (at, letter) => {
        const damaged = uri.slice(0, at) + letter + uri.slice(at + 1);
        fc.pre(damaged !== uri);
        try {
          const parsed = splitUri(damaged);
          expect(formatUri(parsed.digest, network, parsed.key) === uri && parsed.network === 'abababab').toBe(
            false,
          );
        } catch (error) {
          expect(error).toMatchObject({ code: 'INVALID_URI' });
        }
      },
    ),
  );
});

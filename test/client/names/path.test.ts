import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  checkBucketName,
  checkKey,
  checkPrefix,
  formatNameUri,
  isNameUri,
  parseNameUri,
  parsePrefixUri,
} from '../../../src/client/names/path.ts';
import { formatUri, splitUri } from '../../../src/client/uri.ts';
import type { ContentKey, Digest, NetworkId } from '../../../src/base/ids.ts';
import { expectCode } from '../../helpers/expect-code.ts';

const component = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
  .filter((text) => !/[/\0]/.test(text) && text !== '.' && text !== '..' && text.isWellFormed());
const key = fc.array(component, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/'));
const bucket = fc
  .stringMatching(/^[a-z0-9][a-z0-9._-]{0,20}$/)
  .filter((name) => !name.startsWith('holdfast.'));

test('what was formatted is parsed to the same, whatever characters the key has', () => {
  fc.assert(
    fc.property(bucket, key, (name, text) => {
      const uri = formatNameUri({ bucket: name, key: text });
      expect(isNameUri(uri)).toBe(true);
      expect(parseNameUri(uri)).toEqual({ bucket: name, key: text });
      expect(parsePrefixUri(uri)).toEqual({ bucket: name, prefix: text });
    }),
  );
});

test('no text is a name and the URI of an object by its CID at once', () => {
  const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(bytes, bytes, fc.boolean(), (digest, secret, hasKey) => {
      const uri = formatUri(
        digest as Digest,
        digest as NetworkId,
        hasKey ? (secret as ContentKey) : undefined,
      );
      expect(isNameUri(uri)).toBe(false);
      expectCode('INVALID_URI', () => parseNameUri(uri));
      const cut = uri.slice(0, uri.indexOf('#'));
      expectCode('INVALID_URI', () => parsePrefixUri(cut));
      expectCode('INVALID_ARGUMENT', () => checkBucketName(cut.slice('store://'.length)));
    }),
  );
  fc.assert(
    fc.property(fc.string(), (text) => {
      const isObject = ((): boolean => {
        try {
          return splitUri(`store://${text}`) !== undefined;
        } catch {
          return false;
        }
      })();
      if (isObject) expect(isNameUri(`store://${text}`)).toBe(false);
    }),
  );
});

test('a bucket alone, or with the beginning of keys, is a place to list', () => {
  expect(parsePrefixUri('store://photos')).toEqual({ bucket: 'photos', prefix: '' });
  expect(parsePrefixUri('store://photos/')).toEqual({ bucket: 'photos', prefix: '' });
  expect(parsePrefixUri('store://photos/2024/')).toEqual({ bucket: 'photos', prefix: '2024/' });
  expect(parsePrefixUri('store://photos/2024/ca')).toEqual({ bucket: 'photos', prefix: '2024/ca' });
  expect(parsePrefixUri('store://photos/.')).toEqual({ bucket: 'photos', prefix: '.' });
});

describe('INVALID_URI says what is wrong, and shows an example', () => {
  const wrong: readonly [string, string][] = [
    ['photos/cat.jpg', 'does not start with'],
    ['STORE://photos/cat.jpg', 'does not start with'],
    ['store://', 'no name of a bucket'],
    ['store:///cat.jpg', 'no name of a bucket'],
    ['store://Photos/cat.jpg', 'no name of a bucket'],
    ['store://-photos/cat.jpg', 'no name of a bucket'],
    [`store://${'a'.repeat(65)}/cat.jpg`, 'no name of a bucket'],
    ['store://photos', 'the key is missing'],
    ['store://photos/', 'the key is missing'],
    ['store://photos/2024/', 'empty component'],
    ['store://photos//cat.jpg', 'empty component'],
    ['store://photos/a//b', 'empty component'],
    ['store://photos/a/./b', 'component "."'],
    ['store://photos/../b', 'component ".."'],
    ['store://photos/a\0b', 'NUL'],
    ['store://photos/a\ud800b', 'half a character'],
    [`store://photos/${'ß'.repeat(513)}`, 'longer than 1024 bytes'],
    ['store://holdfast.copies/a', 'kept for programs'],
    ['store://photos#abababab', '#'],
  ];
  test.each(wrong)('%j', (text, reason) => {
    const error = expectCode('INVALID_URI', () => parseNameUri(text));
    expect(error.message).toContain(reason);
    expect(error.next).toMatch(/store:\/\//);
  });
});

test('arguments that are no URI are judged by the same rules', () => {
  expect(checkKey('x'.repeat(1024))).toHaveLength(1024);
  expectCode('INVALID_ARGUMENT', () => checkKey('x'.repeat(1025)));
  expectCode('INVALID_ARGUMENT', () => checkKey(''));
  expect(checkPrefix('')).toBe('');
  expect(checkPrefix('a/')).toBe('a/');
  for (const prefix of ['/', 'a//', '../', './a']) expectCode('INVALID_ARGUMENT', () => checkPrefix(prefix));
  expectCode('INVALID_ARGUMENT', () => checkKey(7 as unknown as string));
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toUtf8 } from '../../../src/base/bytes.ts';
import { LISTING_PAGES_MAX } from '../../../src/base/limits.ts';
import { verifyListing, verifyName } from '../../../src/shards/directory/listing.ts';
import type { Page } from '../../../src/shards/directory/page.ts';
import { expectCode } from '../../helpers/expect-code.ts';

const bytes = (text: string): Uint8Array => toUtf8(text);
const page = (from: string, next: string | null, names: readonly string[]): Page => ({
  level: 0,
  from: bytes(from),
  next: next === null ? null : bytes(next),
  keys: names.map(bytes),
  values: names.map(bytes),
});
const FIRST = page('', 'f', ['a', 'c']);
const SECOND = page('f', 'p', ['f', 'm', 'o']);
const THIRD = page('p', null, ['z']);
const namesOf = (pages: readonly Page[], from: string): readonly string[] =>
  verifyListing(pages, bytes(from)).entries.map(([name]) => new TextDecoder().decode(name));

test('pages that follow on one another show all names from one on, and where to go on', () => {
  expect(namesOf([FIRST, SECOND, THIRD], '')).toEqual(['a', 'c', 'f', 'm', 'o', 'z']);
  expect(namesOf([FIRST, SECOND], 'b')).toEqual(['c', 'f', 'm', 'o']);
  expect(verifyListing([FIRST, SECOND], bytes('b')).next).toEqual(bytes('p'));
  expect(verifyListing([THIRD], bytes('q')).next).toBeUndefined();
  expect(namesOf([page('', null, [])], '')).toEqual([]);
});

test.each([
  ['nothing', []],
  ['what begins behind the name asked for', [SECOND, THIRD]],
  ['what ends before the name asked for', [page('', 'b', ['a'])]],
  ['a gap', [FIRST, THIRD]],
  ['an overlap', [FIRST, page('e', 'p', ['f', 'm', 'o'])]],
  ['pages in the wrong order', [FIRST, THIRD, SECOND]],
  ['a page twice', [FIRST, FIRST]],
  ['something behind the last page', [FIRST, SECOND, THIRD, THIRD]],
  ['a page of a level above', [{ level: 1, from: bytes(''), next: null, keys: [bytes('')], values: [] }]],
  ['more pages than a listing has', Array.from({ length: LISTING_PAGES_MAX + 1 }, () => FIRST)],
] as const)('a listing with %s is refused', (_what, pages) => {
  expectCode('PROTOCOL', () => verifyListing(pages as readonly Page[], bytes('b')));
});

test('whatever is left out of a listing, repeated or exchanged, it is refused or says that it is not all', () => {
  const all = [FIRST, SECOND, page('p', 'v', ['q']), page('v', null, ['w', 'x'])];
  const complete = verifyListing(all, bytes(''));
  fc.assert(
    fc.property(fc.array(fc.nat(all.length - 1), { minLength: 1, maxLength: 6 }), (chosen) => {
      const pages = chosen.map((index) => all[index]!);
      let shown: ReturnType<typeof verifyListing>;
      try {
        shown = verifyListing(pages, bytes(''));
      } catch {
        return;
      }
      expect(shown.entries).toEqual(complete.entries.slice(0, shown.entries.length));
      if (shown.next === undefined) expect(shown).toEqual(complete);
    }),
  );
});

test('a page proves a name or that it is not there, if it covers it', () => {
  expect(verifyName(SECOND, bytes('m'))).toEqual(bytes('m'));
  expect(verifyName(SECOND, bytes('n'))).toBeUndefined();
  expectCode('PROTOCOL', () => verifyName(SECOND, bytes('a')));
  expectCode('PROTOCOL', () => verifyName(SECOND, bytes('p')));
  const above: Page = { level: 1, from: bytes(''), next: null, keys: [bytes('')], values: [] };
  expectCode('PROTOCOL', () => verifyName(above, bytes('a')));
});

// What a client makes of the pages of a listing: whether they show all the names from one on, and which. Every page has been proven to be
// in one state under the key that the client derived itself from bucket, level and bounds (`keyOfPage`); here is the rest: that they follow
// on one another without gap and overlap.

import { compare, equal, toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import { LISTING_PAGES_MAX } from '../../base/limits.ts';
import { covers, lowerBound, type Page, valueIn } from './page.ts';

export interface CheckedListing {
  /** All names from `from` on that come before `next`. */
  readonly entries: readonly (readonly [name: Uint8Array, value: Uint8Array])[];
  /** Where the next listing goes on; undefined: there are no more names. */
  readonly next: Uint8Array | undefined;
}

/** Throws PROTOCOL for pages that leave names out, show some twice or begin elsewhere. */
export function verifyListing(pages: readonly Page[], from: Uint8Array): CheckedListing {
  if (pages.length > LISTING_PAGES_MAX) throw refused(`more than ${LISTING_PAGES_MAX} pages`);
  const first = pages[0];
  if (first === undefined || !covers(first, from)) throw refused('they do not begin where they should');
  for (const [index, page] of pages.entries()) {
    if (page.level !== 0) throw refused('one has no names');
    const before = pages[index - 1];
    if (before !== undefined) checkFollows(before, page);
  }
  const all = pages.flatMap(({ keys, values }) => keys.map((key, index) => [key, values[index]!] as const));
  const start = lowerBound(
    all.map(([key]) => key),
    from,
  );
  return { entries: all.slice(start), next: pages.at(-1)!.next ?? undefined };
}

function checkFollows(before: Page, page: Page): void {
  if (before.next === null) throw refused('one follows the last');
  if (equal(before.next, page.from)) return;
  const what = compare(before.next, page.from) < 0 ? 'a gap' : 'an overlap or a step back';
  throw refused(`${what} at ${toHex(page.from.subarray(0, 8))}`);
}

/** What the proven page says of one name: its value, or that it has none. Throws PROTOCOL for a page that does not cover it. */
export function verifyName(page: Page, name: Uint8Array): Uint8Array | undefined {
  if (page.level !== 0 || !covers(page, name)) throw refused('it does not cover the name');
  return valueIn(page, name);
}

function refused(reason: string): StoreError {
  return new StoreError('PROTOCOL', `directory pages: ${reason}`, { next: 'Ask another node.' });
}

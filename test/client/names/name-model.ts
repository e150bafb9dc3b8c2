// The dumb twin of a bucket: a map from keys to values, with the listings of S3 made by sorting and splitting text.

import { compare, toUtf8 } from '../../../src/base/bytes.ts';
import type { NameListing } from '../../../src/client/names/name-listing.ts';

/** Everything that S3 would show, in order: keys, and common prefixes in the place of what they stand for. */
export function itemsOf(
  keys: readonly string[],
  prefix: string,
  delimiter: string | undefined,
  order: (a: string, b: string) => number,
): readonly string[] {
  const items: string[] = [];
  for (const key of keys.filter((one) => one.startsWith(prefix)).toSorted(order)) {
    const end = delimiter === undefined ? -1 : key.indexOf(delimiter, prefix.length);
    const item = end < 0 ? key : key.slice(0, end + 1);
    if (!items.includes(item)) items.push(item);
  }
  return items;
}

export const byUtf8 = (a: string, b: string): number => compare(toUtf8(a), toUtf8(b));

/** What a listing shows, names and folders together, in no order. */
export const itemsIn = ({ names, commonPrefixes }: NameListing): readonly string[] => [
  ...names.map(({ key }) => key),
  ...commonPrefixes,
];

import { describe, expect, test } from 'vitest';
import { StoreError } from '../../src/base/errors.ts';
import { OPENING_HEAD_LENGTH_MAX, PIECE_LENGTH_MAX } from '../../src/base/limits.ts';
import {
  decodeOpening,
  encodeOpening,
  type Opening,
  openCopy,
  openingDigest,
  verifyOpening,
} from '../../src/proofs/opening.ts';
import { pathLengthMax } from '../../src/proofs/path.ts';
import { isCopy, placeOf } from '../../src/proofs/place.ts';
import { leafCount } from '../../src/replication/piece-tree.ts';
import { digestFrom } from '../helpers/records.ts';
import { ALL_ASKED, contentAt, object, open, SOME_ASKED } from './kit.ts';

describe('an opening', () => {
  test('of every leaf of every piece, and of a copy, convinces whoever knows root and length', () => {
    for (const asked of ALL_ASKED) expect(verifyOpening(open(asked), contentAt(asked.place))).toBe(true);
  });

  test('comes back from its bytes', () => {
    for (const asked of SOME_ASKED) {
      const opening = open(asked);
      expect(decodeOpening(encodeOpening(opening))).toEqual(opening);
      expect(openingDigest(decodeOpening(encodeOpening(opening)))).toEqual(openingDigest(opening));
    }
  });

  test('of the longest piece takes less than two kilobytes', () => {
    const leaves = leafCount(PIECE_LENGTH_MAX);
    const longest: Opening = {
      place: placeOf(object(0), 2 ** 23 - 1, 254),
      leafIndex: leaves - 1,
      bytes: new Uint8Array(1024),
      path: Array.from({ length: pathLengthMax(leaves) }, () => digestFrom('sibling')),
    };
    expect(encodeOpening(longest).length).toBe(1619);
    expect(encodeOpening(longest).length - 1024).toBeLessThan(OPENING_HEAD_LENGTH_MAX);
    expect(decodeOpening(encodeOpening(longest))).toEqual(longest);
  });

  test('fails for another leaf, another place, another length and with a path that is longer or shorter', () => {
    for (const asked of SOME_ASKED) {
      const opening = open(asked);
      const content = contentAt(asked.place);
      const check = (changed: Partial<Opening>, other = content): boolean =>
        verifyOpening({ ...opening, ...changed }, other);
      expect(check({})).toBe(true);
      expect(check({ leafIndex: asked.leafIndex + 1 })).toBe(false);
      expect(check({ path: [...opening.path, digestFrom('more')] })).toBe(false);
      if (opening.path.length > 0) expect(check({ path: opening.path.slice(1) })).toBe(false);
      expect(check({ bytes: Uint8Array.from([...opening.bytes, 0]) })).toBe(false);
      expect(check({}, { ...content, root: digestFrom('other') })).toBe(false);
      // The last leaf alone says how long the piece is.
      if (isCopy(asked.place))
        expect(check({}, { ...content, lengthBytes: content.lengthBytes + 1 })).toBe(false);
      for (const other of SOME_ASKED) {
        if (other !== asked) expect(verifyOpening(opening, contentAt(other.place))).toBe(false);
      }
    }
  });

  test('of a copy is not an opening of a piece with that digest, nor the other way round', () => {
    const bytes = new Uint8Array([1, 2, 3]);
    const copy = openCopy(placeOf(object(0), null, 0), bytes);
    const { hashed, whole } = { hashed: contentAt(SOME_ASKED[1]!.place), whole: open(SOME_ASKED[1]!) };
    expect(verifyOpening({ ...copy, bytes: whole.bytes }, hashed)).toBe(false);
    const content = contentAt(SOME_ASKED.at(-1)!.place);
    expect(verifyOpening({ ...open(SOME_ASKED.at(-1)!), place: placeOf(object(0), 0, 0) }, content)).toBe(
      false,
    );
  });

  test('that is neither a leaf nor a copy is no opening', () => {
    const opening = open(SOME_ASKED[3]!);
    const copy = open(SOME_ASKED.at(-1)!);
    const odd: Opening[] = [
      { ...opening, bytes: new Uint8Array(1025) },
      { ...copy, leafIndex: 1 },
      { ...copy, path: [digestFrom('sibling')] },
      { ...opening, path: Array.from({ length: 18 }, () => digestFrom('sibling')) },
      { ...opening, path: [digestFrom('sibling').subarray(1)] },
      { ...opening, leafIndex: 65_600 },
    ];
    for (const each of odd) expect(() => decodeOpening(encodeOpening(each))).toThrow(StoreError);
  });
});

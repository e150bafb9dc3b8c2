import { describe, expect, test } from 'vitest';
import type { NodeId, Signature } from '../../src/base/ids.ts';
import { AUDIT_PART_ASKED_MAX, PIECE_LENGTH_MAX } from '../../src/base/limits.ts';
import { pathLengthMax } from '../../src/proofs/path.ts';
import { placeOf } from '../../src/proofs/place.ts';
import { signResponse } from '../../src/proofs/response.ts';
import {
  decodeShown,
  encodeShown,
  type ShownOpening,
  showOpening,
  verifyShown,
} from '../../src/proofs/shown.ts';
import { leafCount } from '../../src/replication/piece-tree.ts';
import { nativeVerify } from '../../src/runtime/crypto.ts';
import { digestFrom } from '../helpers/records.ts';
import { CONTEXT, contentAt, HOLDER, keyOf, object, open, SOME_ASKED } from './kit.ts';

const part = signResponse(CONTEXT, SOME_ASKED.map(open), [], HOLDER);
const check = (shown: ShownOpening, index: number, context = CONTEXT): boolean =>
  verifyShown(context, shown, contentAt(SOME_ASKED[index]!.place), nativeVerify);

describe('an opening shown by itself', () => {
  test('proves that the node answered with it', () => {
    for (let index = 0; index < SOME_ASKED.length; index++) {
      const shown = decodeShown(encodeShown(showOpening(part, index)));
      expect(shown).toEqual(showOpening(part, index));
      expect(check(shown, index)).toBe(true);
    }
  });

  test('is no other node’s, no other round’s and of no other place', () => {
    const shown = showOpening(part, 3);
    expect(check(shown, 3, { ...CONTEXT, node: keyOf('relay').publicKey as NodeId })).toBe(false);
    expect(check(shown, 3, { ...CONTEXT, round: 8 })).toBe(false);
    expect(check(shown, 3, { ...CONTEXT, seed: digestFrom('later') })).toBe(false);
    expect(check(shown, 4)).toBe(false);
  });

  test('is none when what the node signed was another opening', () => {
    const shown = showOpening(part, 3);
    expect(check({ ...shown, opening: open(SOME_ASKED[4]!) }, 4)).toBe(false);
    expect(check({ ...shown, index: 4 }, 3)).toBe(false);
    expect(check({ ...shown, count: shown.count + 1 }, 3)).toBe(false);
    expect(check({ ...shown, root: digestFrom('other') }, 3)).toBe(false);
    expect(check({ ...shown, signature: new Uint8Array(64) as Signature }, 3)).toBe(false);
  });

  test('of a leaf takes less than two kilobytes, whatever it is among', () => {
    const siblings = (count: number) => Array.from({ length: count }, () => digestFrom('sibling'));
    const leaves = leafCount(PIECE_LENGTH_MAX);
    const longest: ShownOpening = {
      opening: {
        place: placeOf(object(0), 2 ** 23 - 1, 254),
        leafIndex: leaves - 1,
        bytes: new Uint8Array(1024),
        path: siblings(pathLengthMax(leaves)),
      },
      index: AUDIT_PART_ASKED_MAX - 1,
      count: AUDIT_PART_ASKED_MAX,
      path: siblings(pathLengthMax(AUDIT_PART_ASKED_MAX)),
      root: digestFrom('root'),
      signature: part.signature,
    };
    expect(encodeShown(longest).length).toBeLessThan(2000);
    expect(decodeShown(encodeShown(longest))).toEqual(longest);
  });
});

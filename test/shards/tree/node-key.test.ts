import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../../src/base/assert.ts';
import { compare, fromHex, toHex } from '../../../src/base/bytes.ts';
import { HEIGHT_MAX } from '../../../src/base/limits.ts';
import { decodeNodeKey, encodeNodeKey, nodeKey, placeOf } from '../../../src/shards/tree/node-key.ts';
import { lowestPath, prefixOf } from '../../../src/shards/tree/path.ts';
import { expectCode } from '../../helpers/expect-code.ts';
import { anyPath, FROZEN, pathOf } from './twin.ts';

const anyPlace = fc.record({
  version: fc.oneof(fc.nat(3), fc.integer({ min: 0, max: HEIGHT_MAX })),
  path: anyPath,
  depth: fc.nat(255),
});

describe('a node key', () => {
  test('says its version and place, and nothing of the path behind', () => {
    fc.assert(
      fc.property(anyPlace, ({ version, path, depth }) => {
        const key = nodeKey(version, path, depth);
        const place = { version, path: lowestPath(prefixOf(path, depth)), depth };
        expect(placeOf(key)).toEqual(place);
        expect(decodeNodeKey(encodeNodeKey(key))).toBe(key);
        expect(nodeKey(version, place.path, depth)).toBe(key);
      }),
    );
  });

  test('sorts by version, then left subtree, node, right subtree', () => {
    // A node stands in the middle of all that is under it: a third digit between left and right.
    const middle = ({ path, depth }: { path: Uint8Array; depth: number }): string =>
      `${prefixOf(path, depth)}m`.replaceAll('0', 'l').replaceAll('1', 'r');
    fc.assert(
      fc.property(anyPlace, anyPlace, (a, b) => {
        const keys = [a, b].map(({ version, path, depth }) => nodeKey(version, path, depth));
        const expected =
          Math.sign(a.version - b.version) || (middle(a) < middle(b) ? -1 : middle(a) > middle(b) ? 1 : 0);
        expect(Math.sign(compare(encodeNodeKey(keys[0]!), encodeNodeKey(keys[1]!)))).toBe(expected);
        expect(keys[0]! < keys[1]!).toBe(expected < 0);
      }),
    );
  });

  test.each([
    ['nothing', ''],
    ['a version alone', '0000000000000001'],
    ['a place without its end', '000000000000000100'],
    ['a place with zeros behind its end', '00000000000000018000'],
    ['more bits than a path has', `0000000000000001${'00'.repeat(32)}80`],
    ['a version beyond all heights', '000100000000000180'],
    ['a version beyond all numbers', 'ffffffffffffffff80'],
  ])('is refused with %s', (_name, hex) => {
    expectCode('INVALID_ENCODING', () => decodeNodeKey(fromHex(hex)));
  });

  test('is as it was frozen', () => {
    for (const { version, nodes } of FROZEN) {
      for (const { key } of nodes) {
        const node = decodeNodeKey(fromHex(key));
        expect(toHex(encodeNodeKey(node))).toBe(key);
        expect(placeOf(node).version).toBe(version);
      }
    }
  });

  test('is for places above the last bit: behind it lies a single leaf', () => {
    expect(placeOf(nodeKey(1, pathOf(0), 255)).depth).toBe(255);
    for (const depth of [-1, 256]) expect(() => nodeKey(1, pathOf(0), depth)).toThrow(AssertionError);
  });
});

import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../../src/base/bytes.ts';
import type { Digest } from '../../../src/base/ids.ts';
import {
  decodeNode,
  decodeTree,
  digestOf,
  EMPTY,
  encodeNode,
  encodeTree,
  headOf,
  joinDigests,
  type Subtree,
} from '../../../src/shards/tree/node.ts';
import { decodeNodeKey, nodeKey } from '../../../src/shards/tree/node-key.ts';
import { type Prefix, WHOLE } from '../../../src/shards/tree/path.ts';
import { expectCode } from '../../helpers/expect-code.ts';
import { documented, FROZEN, flipped, leafOf, pathOf, valueOf } from './twin.ts';

const refusesNode = (bytes: Uint8Array, key = nodeKey(7, pathOf(0), 0)): void => {
  expectCode('INVALID_ENCODING', () => decodeNode(bytes, key));
};

describe('a digest', () => {
  test('of nothing is zeros; a leaf and a node of the same 64 bytes differ', () => {
    expect(toHex(digestOf(EMPTY))).toBe('00'.repeat(32));
    const leaf = leafOf(pathOf(0), valueOf(0));
    expect(digestOf(leaf)).not.toEqual(joinDigests(leaf.path as Uint8Array as Digest, leaf.value));
  });
});

describe('a stored node', () => {
  test('is as it was frozen', () => {
    for (const { key, node } of FROZEN.flatMap(({ nodes }) => nodes)) {
      const decoded = decodeNode(fromHex(node), decodeNodeKey(fromHex(key)));
      expect(toHex(encodeNode(decoded))).toBe(node);
    }
  });

  test('is as documented', () => {
    const { key, node } = FROZEN.find(({ name }) => name === 'three leaves')!.nodes[0]!;
    expect(toHex(documented('Node key'))).toBe(key);
    expect(toHex(documented('Node'))).toBe(node);
  });

  test('has two leaves or more below, each on its side', () => {
    const base = pathOf(0);
    const key = nodeKey(7, base, 9);
    const leftOf = flipped(base, 9)[1]! & 0x40 ? base : flipped(base, 9);
    const rightOf = flipped(leftOf, 9);
    const [left, right] = [leafOf(leftOf, valueOf(0)), leafOf(rightOf, valueOf(1))];
    expect(decodeNode(encodeNode({ left, right }), key)).toEqual({ left, right });
    refusesNode(encodeNode({ left: right, right: left }), key);
    refusesNode(encodeNode({ left: EMPTY, right }), key);
    refusesNode(encodeNode({ left, right: EMPTY }), key);
    refusesNode(encodeNode({ left: EMPTY, right: EMPTY }), key);
    refusesNode(encodeNode({ left, right: leafOf(flipped(rightOf, 3), valueOf(1)) }), key);
    refusesNode(encodeNode({ left: leafOf(flipped(leftOf, 8), valueOf(1)), right }), key);
  });

  test('leads to no node that is newer than itself, or of less than two leaves', () => {
    const inner = (version: number, leaves: number): Subtree => ({
      kind: 'inner',
      version,
      digest: valueOf(0),
      leaves,
    });
    const good = { left: inner(7, 2), right: EMPTY };
    expect(decodeNode(encodeNode(good), nodeKey(7, pathOf(0), 0))).toEqual(good);
    refusesNode(encodeNode({ left: inner(8, 2), right: EMPTY }));
    refusesNode(encodeNode({ left: inner(7, 1), right: EMPTY }));
    refusesNode(encodeNode({ left: inner(2 ** 53, 2), right: EMPTY }));
  });

  test('is refused cut anywhere, longer, or of an unknown kind', () => {
    const { key, node } = FROZEN.find(({ name }) => name === 'three leaves')!.nodes[1]!;
    const [bytes, at] = [fromHex(node), decodeNodeKey(fromHex(key))];
    for (let length = 0; length < bytes.length; length++) refusesNode(bytes.subarray(0, length), at);
    refusesNode(Uint8Array.of(...bytes, 0), at);
    refusesNode(Uint8Array.of(3, ...bytes.subarray(1)), at);
  });
});

describe('a stored tree', () => {
  test('is as it was frozen, and so is its digest', () => {
    for (const { tree, digest, prefix } of FROZEN) {
      const decoded = decodeTree(fromHex(tree));
      expect(decoded.prefix).toBe(prefix);
      expect(toHex(headOf(decoded).digest)).toBe(digest);
      expect(toHex(encodeTree(decoded))).toBe(tree);
    }
  });

  test('is refused with a leaf elsewhere, bits behind its prefix, a node behind the last bit, or a byte off', () => {
    const leaf = leafOf(pathOf(0), valueOf(0));
    const top: Subtree = { kind: 'inner', version: 1, digest: valueOf(0), leaves: 2 };
    const deep = '0'.repeat(256) as Prefix;
    const bytes = encodeTree({ prefix: '0010' as Prefix, top: leaf });
    for (const bad of [
      encodeTree({ prefix: '0011' as Prefix, top: leaf }),
      encodeTree({ prefix: deep, top }),
      bytes.with(2, 0x21),
      bytes.with(0, 1),
      bytes.subarray(1),
      Uint8Array.of(...bytes, 0),
      encodeTree({ prefix: WHOLE, top: { ...top, version: 2 ** 48 + 1 } }),
    ]) {
      expectCode('INVALID_ENCODING', () => decodeTree(bad));
    }
  });
});

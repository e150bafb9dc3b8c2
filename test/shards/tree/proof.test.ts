import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../../src/base/assert.ts';
import { fromHex, toHex } from '../../../src/base/bytes.ts';
import { StoreError } from '../../../src/base/errors.ts';
import type { Digest } from '../../../src/base/ids.ts';
import { STATE_PROOF_LENGTH_MAX } from '../../../src/base/limits.ts';
import { nativeSha256 } from '../../../src/runtime/crypto.ts';
import {
  digestOf,
  EMPTY,
  EMPTY_DIGEST,
  headOf,
  joinDigests,
  type Leaf,
  type Tree,
  type TreeHead,
  type TreeNode,
} from '../../../src/shards/tree/node.ts';
import type { NodeKey } from '../../../src/shards/tree/node-key.ts';
import { isUnder, type Prefix, type StatePath, WHOLE } from '../../../src/shards/tree/path.ts';
import {
  checkProof,
  decodeProof,
  encodeProof,
  type ProofVerdict,
  provePaths,
  type StateProof,
} from '../../../src/shards/tree/proof.ts';
import { updateTree } from '../../../src/shards/tree/update.ts';
import { expectCode } from '../../helpers/expect-code.ts';
import { StoredTree } from './stored-tree.ts';
import {
  afterChanges,
  anyChanges,
  anyPath,
  documented,
  FROZEN,
  flipped,
  frozenLeaves,
  leafOf,
  leavesIn,
  leavesOf,
  pathOf,
  valueOf,
} from './twin.ts';

class Prover {
  readonly nodes: Map<NodeKey, TreeNode>;
  readonly tree: Tree;
  readonly head: TreeHead;

  constructor(leaves: readonly Leaf[], prefix: Prefix = WHOLE) {
    const updated = updateTree(new Map(), { prefix, top: EMPTY }, 1, leaves, nativeSha256);
    if (updated.kind === 'missing') throw new Error('an empty tree has no nodes');
    this.tree = updated.tree;
    this.nodes = new Map(updated.written.map(({ key, node }) => [key, node]));
    this.head = headOf(updated.tree);
  }

  prove(path: StatePath): StateProof {
    const proved = provePaths(this.nodes, this.tree, [path], nativeSha256);
    if (proved.kind === 'missing') throw new Error('a node is gone');
    return proved.proofs[0]!;
  }

  check(path: StatePath, proof: StateProof): ProofVerdict {
    return checkProof(this.head, path, proof, nativeSha256);
  }
}

const absent = { kind: 'absent' };
const refused = (reason: string) => ({ kind: 'refused', reason });

describe('a proof', () => {
  test('shows of every path what the tree has there, and survives its encoding', () => {
    fc.assert(
      fc.property(
        anyChanges,
        fc.array(anyPath, { maxLength: 10 }),
        fc.constantFrom('', '0', '10'),
        (changes, more, p) => {
          const prefix = p as Prefix;
          const content = afterChanges(new Map(), changes);
          const prover = new Prover(
            leavesIn(content).filter(({ path }) => isUnder(path, prefix)),
            prefix,
          );
          for (const path of [...changes.map((change) => change.path), ...more]) {
            if (!isUnder(path, prefix)) continue;
            const value = content.get(toHex(path));
            const expected = value === undefined ? absent : { kind: 'present', value };
            const proof = prover.prove(path);
            expect(prover.check(path, proof)).toEqual(expected);
            expect(decodeProof(encodeProof(proof))).toEqual(proof);
            expect(checkProof(prover.head, path, proof)).toEqual(expected);
          }
        },
      ),
      { numRuns: 80 },
    );
  });

  test('is as it was frozen, and as documented', () => {
    for (const frozen of FROZEN) {
      const prover = new Prover(frozenLeaves(frozen), frozen.prefix as Prefix);
      for (const { path: hex, proof, value } of frozen.proofs) {
        const path = fromHex(hex) as Uint8Array as StatePath;
        expect(toHex(encodeProof(prover.prove(path)))).toBe(proof);
        const shown = checkProof(
          { prefix: frozen.prefix as Prefix, digest: fromHex(frozen.digest) as Digest },
          path,
          decodeProof(fromHex(proof)),
        );
        expect(shown).toEqual(value === null ? absent : { kind: 'present', value: fromHex(value) });
      }
    }
    const { path, proof } = FROZEN.find(({ name }) => name === 'three leaves')!.proofs[0]!;
    expect(toHex(documented('Proof'))).toBe(proof);
    expect(toHex(documented('Path'))).toBe(path);
  });

  test('of many paths is as many proofs, in their order, made in one run of loading', async () => {
    const stored = new StoredTree();
    const { tree } = await stored.update({ prefix: WHOLE, top: EMPTY }, 1, leavesOf(400));
    const paths = [399, 3, 700, 3, 12, 900].map(pathOf);
    const { proofs } = await stored.prove(tree, paths);
    expect(stored.rounds).toBeLessThan(25);
    const verdicts = paths.map((path, at) => checkProof(headOf(tree), path, proofs[at]!).kind);
    expect(verdicts).toEqual(['present', 'present', 'absent', 'present', 'present', 'absent']);
    expect((await stored.prove(tree, [])).proofs).toEqual([]);
  });

  test('is made of paths within the tree only', () => {
    const prover = new Prover([], '0' as Prefix);
    const outside = new Uint8Array(32).fill(255) as Uint8Array as StatePath;
    expect(() => prover.prove(outside)).toThrow(AssertionError);
    expect(() => prover.prove(outside.subarray(1) as StatePath)).toThrow(AssertionError);
  });
});

describe('a proof that was tampered with', () => {
  const leaves = leavesOf(60);
  const prover = new Prover(leaves);
  const shown = prover.prove(pathOf(0));
  const hidden = prover.prove(pathOf(1000));

  test('shows nothing: any byte changed, cut or added', () => {
    for (const [proof, path] of [
      [shown, pathOf(0)],
      [hidden, pathOf(1000)],
    ] as const) {
      const bytes = encodeProof(proof);
      const variants = [...bytes.keys()].flatMap((at) => [
        bytes.with(at, bytes[at]! ^ 1),
        bytes.with(at, bytes[at]! ^ 0x80),
        bytes.subarray(0, at),
      ]);
      for (const variant of [...variants, Uint8Array.of(...bytes, 0)]) {
        let verdict: ProofVerdict | undefined;
        try {
          verdict = prover.check(path, decodeProof(variant));
        } catch (error) {
          expect(error).toBeInstanceOf(StoreError);
        }
        expect(verdict?.kind ?? 'refused').toBe('refused');
      }
    }
  });

  test('shows nothing: siblings swapped, left out, doubled, more of them, or none', () => {
    const { siblings, end } = shown;
    for (const bent of [
      siblings.toReversed(),
      [siblings[1]!, siblings[0]!, ...siblings.slice(2)],
      siblings.slice(1),
      siblings.slice(0, -1),
      [...siblings, siblings[0]!],
      [siblings[0]!, ...siblings],
      [...siblings, EMPTY_DIGEST],
      [],
    ]) {
      expect(prover.check(pathOf(0), { siblings: bent, end })).toMatchObject({ kind: 'refused' });
    }
  });

  test('shows nothing: another value, another leaf, nothing in place of a leaf', () => {
    const { siblings } = shown;
    expect(prover.check(pathOf(0), { siblings, end: leafOf(pathOf(0), valueOf(1)) })).toEqual(
      refused('wrong-digest'),
    );
    expect(prover.check(pathOf(0), { siblings, end: EMPTY })).toEqual(refused('wrong-digest'));
    expect(prover.check(pathOf(0), { siblings, end: leafOf(pathOf(1), valueOf(1)) })).toEqual(
      refused('other-way'),
    );
  });

  test('of another path shows nothing, but that a leaf alone in its subtree has no neighbour', () => {
    for (const leaf of leaves) {
      const proof = prover.prove(leaf.path);
      const deep = proof.siblings.length;
      // Agrees with the leaf beyond the end of the way: there the tree has this leaf only.
      expect(prover.check(flipped(leaf.path, deep), proof)).toEqual(absent);
      expect(prover.check(flipped(leaf.path, deep - 1), proof)).toEqual(refused('other-way'));
    }
    const empties = new Prover([pathOf(0), flipped(pathOf(0), 9)].map((path) => leafOf(path, valueOf(0))));
    const beside = empties.prove(flipped(pathOf(0), 4));
    expect(beside.end).toEqual(EMPTY);
    expect(empties.check(flipped(pathOf(0), 4), beside)).toEqual(absent);
    expect(empties.check(flipped(pathOf(0), 3), beside)).toEqual(refused('wrong-digest'));
    expect(empties.check(pathOf(0), beside)).toEqual(refused('wrong-digest'));
  });

  test('of another tree shows nothing', () => {
    const other = new Prover(leavesOf(61));
    expect(checkProof(other.head, pathOf(0), shown)).toEqual(refused('wrong-digest'));
    expect(checkProof({ prefix: WHOLE, digest: EMPTY_DIGEST }, pathOf(0), shown)).toEqual(
      refused('wrong-digest'),
    );
    const away = { ...prover.head, prefix: (isUnder(pathOf(0), '0' as Prefix) ? '1' : '0') as Prefix };
    expect(checkProof(away, pathOf(0), shown)).toEqual(refused('other-tree'));
    // The empty proof holds for the empty tree and for no other.
    const nothing: StateProof = { siblings: [], end: EMPTY };
    expect(checkProof({ prefix: WHOLE, digest: EMPTY_DIGEST }, pathOf(0), nothing)).toEqual(absent);
    expect(prover.check(pathOf(0), nothing)).toEqual(refused('wrong-digest'));
  });

  test('does not shift between depths: under a longer or shorter prefix it shows nothing', () => {
    const { siblings, end } = shown;
    const bit = isUnder(pathOf(0), '0' as Prefix) ? '0' : '1';
    const half = { prefix: bit as Prefix, digest: prover.head.digest };
    expect(checkProof(half, pathOf(0), shown)).toMatchObject({ kind: 'refused' });
    expect(checkProof(half, pathOf(0), { siblings: siblings.slice(1), end })).toMatchObject({
      kind: 'refused',
    });
  });

  test('does not pass an inner node for a leaf, or a leaf for an inner node', () => {
    const pair = new Prover(leavesOf(2).map((leaf) => leafOf(leaf.path, leaf.value)));
    const top = pair.nodes.values().next().value!;
    // The halves of a node in place of path and value: the tags differ.
    const fake = leafOf(digestOf(top.left) as Uint8Array as StatePath, digestOf(top.right));
    expect(joinDigests(fake.path as Uint8Array as Digest, fake.value)).toEqual(
      pair.tree.top.kind === 'inner' ? pair.tree.top.digest : undefined,
    );
    expect(pair.check(fake.path, { siblings: [], end: fake })).toEqual(refused('wrong-digest'));
    // A leaf as if it had two halves.
    const single = new Prover(leavesOf(1));
    const { path, value } = leavesOf(1)[0]!;
    const siblings = [isUnder(path, '0' as Prefix) ? value : (path as Uint8Array as Digest)];
    expect(single.check(path, { siblings, end: EMPTY })).toEqual(refused('wrong-digest'));
  });

  test('is refused before any hash when it is deeper than a path, out of canon or malformed', () => {
    const noHash = (): Uint8Array => {
      throw new Error('a hash');
    };
    const judge = (proof: StateProof, path = pathOf(0), prefix = WHOLE): ProofVerdict =>
      checkProof({ prefix, digest: valueOf(0) }, path, proof, noHash);
    const many = (count: number): Digest[] => Array.from({ length: count }, () => valueOf(1));
    const end = leafOf(pathOf(0), valueOf(0));
    const half = (isUnder(pathOf(0), '0' as Prefix) ? '0' : '1') as Prefix;
    expect(judge({ siblings: many(257), end })).toEqual(refused('too-deep'));
    expect(judge({ siblings: many(256), end }, pathOf(0), half)).toEqual(refused('too-deep'));
    expect(judge({ siblings: many(256), end: EMPTY })).toEqual(refused('too-deep'));
    expect(judge({ siblings: [...many(3), EMPTY_DIGEST], end })).toEqual(refused('not-canonical'));
    expect(judge({ siblings: [...many(3), EMPTY_DIGEST], end: EMPTY })).toEqual(refused('not-canonical'));
    expect(judge({ siblings: [valueOf(0).subarray(1) as Digest], end })).toEqual(refused('malformed'));
    expect(judge({ siblings: [], end: leafOf(pathOf(0), valueOf(0).subarray(1) as Digest) })).toEqual(
      refused('malformed'),
    );
    expect(judge({ siblings: [], end }, pathOf(0).subarray(1) as StatePath)).toEqual(refused('malformed'));
  });

  test('of the deepest leaf has a sibling for each bit and fits the bound; with more, bytes are refused', () => {
    const crowded = new Prover([pathOf(0), flipped(pathOf(0), 255)].map((path) => leafOf(path, valueOf(0))));
    const proof = crowded.prove(pathOf(0));
    expect(proof.siblings.length).toBe(256);
    expect(crowded.check(pathOf(0), decodeProof(encodeProof(proof)))).toEqual({
      kind: 'present',
      value: valueOf(0),
    });
    expect(encodeProof(proof).length).toBeLessThanOrEqual(STATE_PROOF_LENGTH_MAX);
    const siblings = [...proof.siblings, valueOf(1)];
    expectCode('INVALID_ENCODING', () => decodeProof(encodeProof({ ...proof, siblings })));
    expectCode('INVALID_ENCODING', () => decodeProof(new Uint8Array(STATE_PROOF_LENGTH_MAX + 1)));
    expectCode('INVALID_ENCODING', () => decodeProof(Uint8Array.of(1, 0, ...new Uint8Array(40))));
    expectCode('INVALID_ENCODING', () => decodeProof(encodeProof({ siblings: [EMPTY_DIGEST], end: EMPTY })));
  });
});

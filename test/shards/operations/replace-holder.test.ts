import { expect, test } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import type { Signature } from '../../../src/base/ids.ts';
import { REPLACEMENTS_MAX } from '../../../src/base/limits.ts';
import { shardMembers } from '../../../src/replication/placement.ts';
import type { Replacement } from '../../../src/shards/holder-change.ts';
import type { ReplaceHolder } from '../../../src/shards/operations/replace-holder.ts';
import { expectCode } from '../../helpers/expect-code.ts';
import {
  confirm,
  confirmManifest,
  idOf,
  memberAt,
  nodeId,
  Objects,
  registration,
  shapeOf,
} from '../objects.ts';

const SHAPE = shapeOf(70);
const id = idOf('ann', 'film');
const all = registration('ann', 'film', SHAPE, 66);

function withObject(homes = new Objects()): Objects {
  expect(homes.do('ann', 'register-object', all)).toBeUndefined();
  return homes;
}

/** Piece `pieceIndex` of segment `segmentIndex` to node `node`. */
function piece(segmentIndex: number, pieceIndex: number, node = 5): Replacement {
  const root = all.segments[segmentIndex]!.roots[pieceIndex]!;
  return { segmentIndex, pieceIndex, signature: confirm(id, SHAPE, segmentIndex, pieceIndex, root, node) };
}

const replacing = (
  replacements: readonly Replacement[],
  more: Partial<ReplaceHolder> = {},
): ReplaceHolder => ({
  object: id,
  holder: nodeId(5),
  reason: 'chosen',
  replacements,
  ...more,
});

test('the owner gives pieces to another member, in whatever records they are, and the rest stays', () => {
  const homes = withObject();
  const before = homes.segments(id);
  expect(
    homes.do('ann', 'replace-holder', replacing([piece(0, 3), piece(65, 1), piece(1, 0)])),
  ).toBeUndefined();
  const after = homes.segments(id);
  const expected = before.map((segment, index) => {
    const changed = new Map([
      [0, 3],
      [65, 1],
      [1, 0],
    ]).get(index);
    return changed === undefined
      ? segment
      : { ...segment, holders: segment.holders.with(changed, nodeId(5)) };
  });
  expect(after).toEqual(expected);
});

test('a copy of the manifest changes hands as a piece does', () => {
  const homes = withObject();
  const copy = { segmentIndex: null, pieceIndex: 1, signature: confirmManifest(id, 'film', 5) };
  expect(homes.do('ann', 'replace-holder', replacing([copy]))).toBeUndefined();
  expect(homes.object(id)?.manifest.holders).toEqual([0, 5].map(nodeId));
  expect(homes.do('ann', 'replace-holder', replacing([copy]))).toBe('invalid-argument');
  const unsigned = replacing([copy], { holder: nodeId(4) });
  expect(homes.do('ann', 'replace-holder', unsigned)).toBe('invalid-certificate');
});

test('copies of the manifest that a put did not wait for are added, as many as the code wants', () => {
  const homes = withObject();
  const copyAt = (pieceIndex: number, node: number, more: Partial<ReplaceHolder> = {}): ReplaceHolder =>
    replacing([{ segmentIndex: null, pieceIndex, signature: confirmManifest(id, 'film', node) }], {
      holder: nodeId(node),
      ...more,
    });
  expect(homes.do('ann', 'replace-holder', copyAt(3, 4))).toBe('invalid-argument');
  expect(homes.do('bob', 'replace-holder', copyAt(2, 4))).toBe('not-the-owner');
  expect(homes.do('operator 4', 'replace-holder', copyAt(2, 4, { reason: 'handover' }))).toBe(
    'not-the-operator',
  );
  expect(homes.do('ann', 'replace-holder', copyAt(2, 4))).toBeUndefined();
  expect(homes.object(id)?.manifest.holders).toEqual([0, 1, 4].map(nodeId));
  expect(homes.do('ann', 'replace-holder', copyAt(3, 5))).toBe('invalid-argument');
});

test('all replacements of a transaction are made or none', () => {
  const homes = withObject();
  const before = homes.segments(id);
  const bad = { ...piece(1, 0), signature: new Uint8Array(64) as Signature };
  expect(homes.do('ann', 'replace-holder', replacing([piece(0, 3), bad]))).toBe('invalid-certificate');
  expect(homes.segments(id)).toEqual(before);
});

test('who may replace a holder follows from the reason', () => {
  const homes = withObject();
  // Piece 3 of segment 0 is with node 3.
  const chosen = replacing([piece(0, 3)]);
  const handover = replacing([piece(0, 3)], { reason: 'handover' });
  const gone = replacing([piece(0, 3)], { reason: 'gone' });
  expect(homes.do('bob', 'replace-holder', chosen)).toBe('not-the-owner');
  expect(homes.do('ann', 'replace-holder', handover)).toBe('not-the-operator');
  expect(homes.do('operator 5', 'replace-holder', handover)).toBe('not-the-operator');
  expect(homes.do('bob', 'replace-holder', gone)).toBe('too-early');
  expect(homes.do('operator 3', 'replace-holder', handover)).toBeUndefined();
});

test('whoever repairs what a lost member held gives it to a storage member of the shard', () => {
  const members = Array.from({ length: 12 }, (_, index) => memberAt(index));
  const homes = withObject(new Objects(members));
  const left = members.filter((_, index) => index !== 3);
  homes.setMembers(left);
  const params = { shardBits: 2, shardMembersMin: 4, operatorShareDivisor: 4, isTrial: false };
  const stores = new Set(
    shardMembers({ params, members: left } as never, (id[0]! >>> 6) as never).map(({ node }) => toHex(node)),
  );
  const candidates = [5, 6, 7, 8, 9, 10, 11];
  const inside = candidates.find((node) => stores.has(toHex(nodeId(node))))!;
  const outside = candidates.find((node) => !stores.has(toHex(nodeId(node))))!;
  const repair = (node: number): ReplaceHolder =>
    replacing([piece(0, 3, node)], { holder: nodeId(node), reason: 'gone' });
  expect(homes.do('bob', 'replace-holder', repair(outside))).toBe('invalid-argument');
  expect(homes.do('bob', 'replace-holder', repair(inside))).toBeUndefined();
  expect(homes.segments(id)[0]!.holders[3]).toEqual(nodeId(inside));
});

test('a segment never has two pieces with one node or one operator', () => {
  const homes = withObject();
  expect(homes.do('ann', 'replace-holder', replacing([piece(0, 3, 1)], { holder: nodeId(1) }))).toBe(
    'invalid-argument',
  );
  const members = [0, 1, 2, 3, 4].map((index) => memberAt(index));
  homes.setMembers([...members, memberAt(5, 'operator 1')]);
  expect(homes.do('ann', 'replace-holder', replacing([piece(0, 3)]))).toBe('invalid-argument');
  expect(homes.do('ann', 'replace-holder', replacing([piece(0, 1)]))).toBeUndefined();
});

test('what is not there cannot be replaced', () => {
  const homes = withObject();
  const other = { ...replacing([piece(0, 3)]), object: idOf('ann', 'dog') };
  expect(homes.do('ann', 'replace-holder', other)).toBe('no-such-object');
  expect(homes.do('ann', 'replace-holder', replacing([piece(0, 3, 9)], { holder: nodeId(9) }))).toBe(
    'no-such-node',
  );
  const beyond = { ...piece(0, 3), segmentIndex: 66 };
  expect(homes.do('ann', 'replace-holder', replacing([beyond]))).toBe('invalid-argument');
  const noPiece = { ...piece(0, 3), pieceIndex: 4 };
  expect(homes.do('ann', 'replace-holder', replacing([noPiece]))).toBe('invalid-argument');
});

test('nothing is replaced in an object that has expired', () => {
  const homes = new Objects();
  homes.do('ann', 'register-object', { ...all, expiresAtMs: homes.timeMs });
  homes.timeMs++;
  expect(homes.do('ann', 'replace-holder', replacing([piece(0, 3)]))).toBe('expired');
});

test('a replacement of nothing, or of too much, has no form', () => {
  const homes = withObject();
  expectCode('INVALID_ENCODING', () => homes.act('ann', 'replace-holder', replacing([])));
  const many = Array.from({ length: REPLACEMENTS_MAX + 1 }, () => piece(0, 3));
  expectCode('INVALID_ENCODING', () => homes.act('ann', 'replace-holder', replacing(many)));
});

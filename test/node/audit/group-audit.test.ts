import { describe, expect, test } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import type { Epoch, NodeId, ObjectId, OwnerId, Signature } from '../../../src/base/ids.ts';
import {
  AUDIT_EXCHANGES_MAX,
  AUDIT_PART_LENGTH_MAX,
  AUDIT_SHOWN_MAX,
  DISPUTED_COPY_LENGTH_MAX,
  MANIFEST_LENGTH_MAX,
} from '../../../src/base/limits.ts';
import { type CopyRoom, FAILED, GroupAudit, HELD } from '../../../src/node/audit/group-audit.ts';
import type { WatchedRound } from '../../../src/node/audit/round-watcher.ts';
import type { Asked } from '../../../src/proofs/draw.ts';
import { PORTABLE_HASHES } from '../../../src/proofs/opening.ts';
import { COPY_SEGMENT } from '../../../src/proofs/place.ts';
import type { ResponsePart } from '../../../src/proofs/response.ts';
import { nativeSha256 } from '../../../src/runtime/crypto.ts';
import { DEFAULT_AUDIT } from '../../../src/shards/audit-rules.ts';
import { digestFrom } from '../../helpers/records.ts';
import { NETWORK } from '../../shards/world.ts';

const MIB = 2 ** 20;
const HASHES = { ...PORTABLE_HASHES, sha256: nativeSha256 };
const NODES = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => digestFrom<NodeId>(name));
const [AUDITED] = NODES as [NodeId];

/** Of copies of as many objects, which one node is asked for; each of `nodes` has a seat. */
function groupAudit(copies: number, room: CopyRoom, nodes = NODES): GroupAudit {
  const asked = Array.from({ length: copies }, (_, index): Asked => {
    const object = new Uint8Array(32).fill(index) as ObjectId;
    return { place: { object, segmentIndex: COPY_SEGMENT, pieceIndex: 0 }, leafIndex: 0 };
  });
  const seed = digestFrom('seed');
  const round = { round: 3, epoch: 0 as Epoch, height: 9, timeMs: 0, seed, groups: 1 };
  const group = { round, group: 0, nodes, seats: nodes.map(() => 3) };
  const drawn = nodes.map((node, index) => ({ node, asked: index === 0 ? asked : [], classes: [] }));
  const watched: WatchedRound = {
    round,
    rules: DEFAULT_AUDIT,
    validators: nodes.map((node) => ({
      node,
      power: 1n,
      registration: node,
      operator: digestFrom<OwnerId>(toHex(node)),
    })),
    own: drawn[0]!,
    ownGroup: group,
    groups: [group],
    drawn: new Map(drawn.map((each) => [toHex(each.node), each])),
  };
  return new GroupAudit(NETWORK, watched, group, room);
}

/** The node shows all, each in a part of its own. */
function show(audit: GroupAudit, lengthBytes: number): void {
  for (const asked of audit.openOf(AUDITED)) {
    const opening = { ...asked, bytes: new Uint8Array(lengthBytes), path: [] };
    const part: ResponsePart = {
      openings: [opening],
      admissions: [],
      signature: new Uint8Array(64) as Signature,
    };
    audit.noteAnswer(AUDITED, part, { held: [asked], wrong: [], admitted: [] }, HASHES);
  }
}

const positionsOf = ({ lines }: GroupAudit): number[] => [...lines.keys()];

describe('what an auditor keeps of what it saw', () => {
  test('is all that can be disputed, however much room there is for long copies', () => {
    const room = { left: 0 };
    const audit = groupAudit(100, room);
    show(audit, DISPUTED_COPY_LENGTH_MAX);
    expect(audit.openOf(AUDITED)).toEqual([]);
    const shown = audit.show(positionsOf(audit), HASHES);
    expect(shown.map(({ position }) => position)).toEqual(positionsOf(audit).slice(0, AUDIT_SHOWN_MAX));
    expect(room.left).toBe(0);
  });

  test('is of long copies what there is room for; the others were seen all the same, and room comes back with the round', () => {
    const room = { left: 5 * MIB };
    const audit = groupAudit(4, room);
    const other = groupAudit(4, room);
    show(audit, 2 * MIB);
    expect(room.left).toBe(MIB);
    expect(audit.openOf(AUDITED)).toEqual([]);
    expect(audit.show(positionsOf(audit), HASHES).map(({ position }) => position)).toEqual([0, 1]);
    show(other, 2 * MIB);
    expect(other.show(positionsOf(other), HASHES)).toEqual([]);
    expect(positionsOf(other).every((position) => other.isSeen(position))).toBe(true);
    audit.close();
    audit.close();
    expect(room.left).toBe(5 * MIB);
  });

  test('is shown as far as it fits one message, and each opening once', () => {
    const audit = groupAudit(3, { left: 2 ** 30 });
    show(audit, MANIFEST_LENGTH_MAX);
    expect(audit.show([2, 2, 2], HASHES).map(({ position }) => position)).toEqual([2]);
    const shown = audit.show([2, 0, 1], HASHES);
    expect(shown.map(({ position }) => position)).toEqual([2]);
    expect(shown[0]!.shown.opening.bytes.length).toBeLessThan(AUDIT_PART_LENGTH_MAX);
    expect(audit.show([7, 1_000_000], HASHES)).toEqual([]);
  });
});

describe('who has failed', () => {
  test('may be said of those who were asked, when nobody is asked any more', () => {
    const audit = groupAudit(2, { left: 0 });
    const failed = new Uint8Array(2).fill(FAILED);
    expect(audit.mayFail(new Uint8Array(2).fill(HELD))).toBe(true);
    expect(audit.mayFail(failed)).toBe(false);
    audit.noteTried(AUDITED);
    expect(audit.mayFail(failed)).toBe(false);
    audit.endAsking();
    expect(audit.mayFail(failed)).toBe(true);
  });

  test('may not be said of those who never were', () => {
    const audit = groupAudit(2, { left: 0 });
    audit.endAsking();
    expect(audit.mayFail(new Uint8Array([HELD, FAILED]))).toBe(false);
    expect(audit.mayFail(new Uint8Array([HELD, HELD]))).toBe(true);
  });
});

describe('reviews', () => {
  const taken = (audit: GroupAudit, from: NodeId): number => {
    let count = 0;
    while (count < 1000 && audit.takeReview(from)) count++;
    return count;
  };

  test('are answered to each auditor as often as leading takes, twice over', () => {
    const audit = groupAudit(1, { left: 0 });
    // Seven auditors lead twelve times.
    expect(taken(audit, NODES[1]!)).toBe(2 * 2 * AUDIT_EXCHANGES_MAX);
    expect(taken(audit, NODES[2]!)).toBe(2 * 2 * AUDIT_EXCHANGES_MAX);
    expect(taken(audit, digestFrom('stranger'))).toBe(0);
    const few = groupAudit(1, { left: 0 }, NODES.slice(0, 2));
    expect(taken(few, NODES[1]!)).toBe(6 * 2 * AUDIT_EXCHANGES_MAX);
  });
});

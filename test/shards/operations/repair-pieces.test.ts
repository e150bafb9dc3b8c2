import { describe, expect, test } from 'vitest';
import type { Digest, Epoch, NodeId, Signature } from '../../../src/base/ids.ts';
import { signAdmission } from '../../../src/proofs/admission.ts';
import { COPY_SEGMENT } from '../../../src/proofs/place.ts';
import {
  type NodeFindings,
  proveResult,
  resultDigests,
  resultTree,
  type Verdict,
} from '../../../src/proofs/results.ts';
import { accountOf } from '../../../src/shards/account.ts';
import { amountIn, amountOf } from '../../../src/shards/amounts.ts';
import { putAnchor } from '../../../src/shards/anchors.ts';
import { auditRoundsKey, auditRoundsRecord } from '../../../src/shards/audit-rounds.ts';
import { DEFAULT_AUDIT } from '../../../src/shards/audit-rules.ts';
import { putBonds } from '../../../src/shards/bonds.ts';
import { type NodeRecord, putNode, takeKey } from '../../../src/shards/node.ts';
import type { Replacement } from '../../../src/shards/holder-change.ts';
import type { Loss, RepairPieces } from '../../../src/shards/operations/repair-pieces.ts';
import { putStanding, type Standing } from '../../../src/shards/standing.ts';
import { putSupply, supplyOf } from '../../../src/shards/supply.ts';
import { expectCode } from '../../helpers/expect-code.ts';
import { digestFrom } from '../../helpers/records.ts';
import {
  addition,
  confirm,
  confirmManifest,
  idOf,
  nodeId,
  Objects,
  registration,
  shapeOf,
} from '../objects.ts';
import { NETWORK, ownerOf, signerOf } from '../world.ts';

const SHAPE = shapeOf(70);
const id = idOf('ann', 'film');
const all = registration('ann', 'film', SHAPE, 66);
const STAKE = 1_000_000n;
const ROUND = 5;
/** Long after the object was registered. */
const ROUND_HEIGHT = 100_000;

/** An object whose holders are nodes with stake; a round runs. */
function world(roundHeight = ROUND_HEIGHT): Objects {
  const homes = new Objects();
  expect(homes.do('ann', 'register-object', all)).toBeUndefined();
  homes.memory.run((state) => {
    for (const index of [0, 1, 2, 3, 4, 5]) {
      putNode(state, nodeAt(index));
      takeKey(state, nodeId(index), nodeId(index));
      putBonds(state, nodeId(index), [{ owner: ownerOf(`operator ${index}`), amounts: amountOf(0, STAKE) }]);
    }
    putSupply(state, { total: amountOf(0, 6n * STAKE), issued: [], burned: [] });
    const begun = {
      round: ROUND,
      epoch: 0 as Epoch,
      height: roundHeight,
      timeMs: 0,
      seed: digestFrom('seed'),
      groups: 1,
    };
    state.put(auditRoundsKey(), auditRoundsRecord, [begun]);
  });
  return homes;
}

const nodeAt = (index: number): NodeRecord => ({
  registration: nodeId(index),
  operator: ownerOf(`operator ${index}`),
  key: nodeId(index),
  place: index,
  registeredEpoch: 0 as Epoch,
  keyedEpoch: 0 as Epoch,
  admissionSeed: digestFrom<Digest>(`admission ${index}`),
  provenGib: 0,
  capacityBytes: 2 ** 40,
  domains: [],
  validates: true,
  acceptsDelegation: false,
  bonded: amountOf(0, STAKE),
  waiting: [],
  isRetired: false,
  isTombstoned: false,
  isJailed: false,
  jailedUntil: 0 as Epoch,
  offence: null,
});

/** Piece `pieceIndex` of segment `segmentIndex` to node 5, which holds none. */
function piece(segmentIndex: number, pieceIndex: number, node = 5): Replacement {
  const root = all.segments[segmentIndex]!.roots[pieceIndex]!;
  return { segmentIndex, pieceIndex, signature: confirm(id, SHAPE, segmentIndex, pieceIndex, root, node) };
}

/** What node 3 holds: piece 3 of segment 0, piece 2 of segment 1. */
const LOST = [piece(0, 3), piece(1, 2)];

function repair(
  loss: Loss,
  replacements: readonly Replacement[] = LOST,
  more: Partial<RepairPieces> = {},
): RepairPieces {
  return { object: id, from: nodeId(3), holder: nodeId(5), loss, replacements, ...more };
}

function setStanding(homes: Objects, silentRounds: number, provenHeight = ROUND_HEIGHT): void {
  const standing: Standing = {
    round: ROUND,
    provenHeight,
    silentRounds,
    asked: 0,
    failed: 0,
    heldKib: 0,
    score: 0,
  };
  homes.memory.run((state) => putStanding(state, nodeId(3), standing));
}

/** An anchor in which both places have this verdict, and where under it they stand. */
function failed(homes: Objects, verdict: Verdict = 'failed', node: NodeId = nodeId(3)): Loss {
  const asked = [
    { place: { object: id, segmentIndex: 0, pieceIndex: 3 }, leafIndex: 9 },
    { place: { object: id, segmentIndex: 1, pieceIndex: 2 }, leafIndex: 0 },
  ];
  const nodes: readonly NodeFindings[] = [
    { node: nodeId(0), heldKib: 7, findings: [{ asked: asked[0]!, verdict: 'held' }] },
    { node, heldKib: 9, findings: asked.map((each) => ({ asked: each, verdict })) },
  ];
  const tree = resultTree(resultDigests(ROUND, nodes));
  homes.memory.run((state) =>
    putAnchor(state, ROUND, 0, { ...tree, height: ROUND_HEIGHT, auditors: [0], charged: [] }),
  );
  const results = [1, 2].map((index) => proveResult(ROUND, nodes, index)!);
  return { kind: 'failed', round: ROUND, group: 0, results };
}

function admitted(round = ROUND): Loss {
  const signatures = LOST.map(({ segmentIndex, pieceIndex }): Signature => {
    const place = { object: id, segmentIndex: segmentIndex!, pieceIndex };
    const root = all.segments[segmentIndex!]!.roots[pieceIndex]!;
    return signAdmission({ network: NETWORK, round, node: nodeId(3), place, root }, signerOf('node 3'));
  });
  return { kind: 'admitted', round, signatures };
}

const holdersOf = (homes: Objects) => [homes.segments(id)[0]!.holders[3], homes.segments(id)[1]!.holders[2]];
const balanceOf = (homes: Objects, name: string): bigint =>
  homes.memory.run((state) => amountIn(accountOf(state, ownerOf(name)).balances, 0));
const burnedIn = (homes: Objects): bigint => homes.memory.run((state) => amountIn(supplyOf(state).burned, 0));

test('pieces that an audit found lost go to who rebuilt them, who gets half of what the loss costs', () => {
  const homes = world();
  expect(homes.do('anybody', 'repair-pieces', repair(failed(homes)))).toBeUndefined();
  expect(holdersOf(homes)).toEqual([nodeId(5), nodeId(5)]);
  // Ten millionths of the stake for each of the two.
  expect(balanceOf(homes, 'operator 5')).toBe(10n);
  expect(burnedIn(homes)).toBe(10n);
});

test('pieces that their holder admits to have lost cost it a tenth, for who rebuilt them', () => {
  const homes = world();
  expect(homes.do('anybody', 'repair-pieces', repair(admitted()))).toBeUndefined();
  expect(holdersOf(homes)).toEqual([nodeId(5), nodeId(5)]);
  expect(balanceOf(homes, 'operator 5')).toBe(2n);
  expect(burnedIn(homes)).toBe(0n);
});

test('pieces of a node are lost when it has been silent for long enough, not before', () => {
  const homes = world();
  setStanding(homes, DEFAULT_AUDIT.lostRounds - 1);
  expect(homes.do('anybody', 'repair-pieces', repair({ kind: 'silent' }))).toBe('too-early');
  setStanding(homes, DEFAULT_AUDIT.lostRounds);
  expect(homes.do('anybody', 'repair-pieces', repair({ kind: 'silent' }))).toBeUndefined();
  expect(holdersOf(homes)).toEqual([nodeId(5), nodeId(5)]);
  expect(balanceOf(homes, 'operator 5')).toBe(2n);
});

test('a copy of the manifest is repaired as a piece is', () => {
  const homes = world();
  const holder = homes.object(id)!.manifest.holders[1]!;
  homes.memory.run((state) => {
    putStanding(state, holder, {
      round: ROUND,
      provenHeight: ROUND_HEIGHT,
      silentRounds: DEFAULT_AUDIT.lostRounds,
      asked: 0,
      failed: 0,
      heldKib: 0,
      score: 0,
    });
  });
  const copy = { segmentIndex: null, pieceIndex: 1, signature: confirmManifest(id, 'film', 5) };
  expect(
    homes.do('anybody', 'repair-pieces', repair({ kind: 'silent' }, [copy], { from: holder })),
  ).toBeUndefined();
  expect(homes.object(id)!.manifest.holders[1]).toEqual(nodeId(5));
  expect(COPY_SEGMENT).toBe(2 ** 32 - 1);
});

test('what does not show the loss moves nothing', () => {
  const homes = world();
  const refused = (loss: Loss, replacements = LOST, more: Partial<RepairPieces> = {}) =>
    homes.do('anybody', 'repair-pieces', repair(loss, replacements, more));
  // A proof for every piece: that is its form.
  expectCode('INVALID_ENCODING', () => refused({ kind: 'failed', round: ROUND, group: 0, results: [] }));
  expect(refused(failed(homes, 'held'))).toBe('invalid-evidence');
  expect(refused(failed(homes, 'moved'))).toBe('invalid-evidence');
  expect(refused(failed(homes, 'failed', nodeId(2)))).toBe('invalid-evidence');
  const other = failed(homes) as Extract<Loss, { kind: 'failed' }>;
  expect(refused({ ...other, results: other.results.toReversed() })).toBe('invalid-evidence');
  expect(refused({ ...other, group: 1 })).toBe('too-late');
  expect(refused(admitted(ROUND + 1))).toBe('too-late');
  const signed = admitted() as Extract<Loss, { kind: 'admitted' }>;
  expect(refused({ ...signed, signatures: signed.signatures.toReversed() })).toBe('invalid-evidence');
  expect(holdersOf(homes)).toEqual([nodeId(3), nodeId(3)]);
  expect(burnedIn(homes)).toBe(0n);
});

test('nothing is taken from a holder that is another, nor given without confirmation or against the rules of placement', () => {
  const homes = world();
  const loss = failed(homes);
  const run = (replacements: readonly Replacement[], more: Partial<RepairPieces> = {}) =>
    homes.do('anybody', 'repair-pieces', repair(loss, replacements, more));
  // Node 4 holds a piece of segment 1 already.
  expect(run([piece(0, 3, 4), piece(1, 2, 4)], { holder: nodeId(4) })).toBe('invalid-argument');
  const unsigned = LOST.map((each) => ({ ...each, signature: new Uint8Array(64) as Signature }));
  expect(run(unsigned)).toBe('invalid-certificate');
  expect(run(LOST, { holder: nodeId(9) })).toBe('no-such-node');
  expect(run(LOST)).toBeUndefined();
  // It has been repaired: the second repairer was too late.
  expect(run(LOST)).toBe('condition-failed');
  expect(balanceOf(homes, 'operator 5')).toBe(10n);
});

describe('a holder that was named before it had its piece', () => {
  const { graceBlocks } = DEFAULT_AUDIT;
  const charge = (homes: Objects, loss: Loss): bigint => {
    expect(homes.do('anybody', 'repair-pieces', repair(loss))).toBeUndefined();
    expect(holdersOf(homes)).toEqual([nodeId(5), nodeId(5)]);
    return balanceOf(homes, 'operator 5') + burnedIn(homes);
  };

  test('has some time to get it: what it lacks until then is repaired and costs it nothing', () => {
    const { registeredAtHeight } = world().object(id)!;
    const before = world(registeredAtHeight + graceBlocks - 1);
    expect(charge(before, failed(before))).toBe(0n);
    expect(charge(world(registeredAtHeight + graceBlocks - 1), admitted())).toBe(0n);
    const after = world(registeredAtHeight + graceBlocks);
    expect(charge(after, failed(after))).toBe(20n);
    expect(charge(world(registeredAtHeight + graceBlocks), admitted())).toBe(2n);
  });

  test('pays nothing when it has been silent ever since: nobody has seen it with the piece', () => {
    const silent = (provenHeight: number): Objects => {
      const homes = world();
      setStanding(homes, DEFAULT_AUDIT.lostRounds, provenHeight);
      return homes;
    };
    const { registeredAtHeight } = world().object(id)!;
    expect(charge(silent(0), { kind: 'silent' })).toBe(0n);
    expect(charge(silent(registeredAtHeight + graceBlocks - 1), { kind: 'silent' })).toBe(0n);
    expect(charge(silent(registeredAtHeight + graceBlocks), { kind: 'silent' })).toBe(2n);
  });

  test('has the same time for segments that come later', () => {
    const homes = world();
    const { registeredAtHeight } = homes.object(id)!;
    homes.height += 1000;
    expect(homes.do('ann', 'add-segments', addition('ann', 'film', SHAPE, 66, 4))).toBeUndefined();
    expect(homes.object(id)!.registeredAtHeight).toBeGreaterThanOrEqual(registeredAtHeight + 1000);
  });
});

import { afterEach, expect, test } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import type { ObjectId } from '../../../src/base/ids.ts';
import { LostPieces } from '../../../src/node/repair/lost-pieces.ts';
import { heldSegment, holderOrder } from '../../../src/node/repair/held-segment.ts';
import type { ProvenLoss } from '../../../src/node/repair/proven-losses.ts';
import { pieceKeyOf } from '../../../src/node/repair/restore-piece.ts';
import { signAdmission } from '../../../src/proofs/admission.ts';
import type { Place } from '../../../src/proofs/place.ts';
import { type NodeFindings, proveResult, resultDigests, resultTree } from '../../../src/proofs/results.ts';
import { putAnchor } from '../../../src/shards/anchors.ts';
import { type AuditRules, DEFAULT_AUDIT } from '../../../src/shards/audit-rules.ts';
import { nodeId } from '../../shards/objects.ts';
import { NETWORK, signerOf } from '../../shards/world.ts';
import { RepairWorld, ROUND, until } from './repair-kit.ts';

const running: LostPieces[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((lost) => lost.stop()));
});

/** A slot of time is a second. */
const RULES: AuditRules = { ...DEFAULT_AUDIT, roundMs: 1000 };
const { suspendRounds, lostRounds } = RULES;

function start(world: RepairWorld, ...indices: readonly number[]): readonly LostPieces[] {
  const started = indices.map((index) => new LostPieces(world.lostPortsOf(index), RULES));
  running.push(...started);
  return started;
}

async function worldOf(count: number): Promise<RepairWorld> {
  const world = new RepairWorld(count);
  world.registerNodes();
  return world;
}

test('all that a lost holder had goes to members that hold none of it, and is theirs to the byte', async () => {
  const world = await worldOf(7);
  const film = await world.put('film', { lengthBytes: 2_500_000 });
  const note = await world.put('note', { lengthBytes: 900, isInline: true });
  world.setSilent(1, lostRounds);
  world.nodes[1]!.memory.faults.isDead = true;
  start(world, 0, 2, 3, 4, 5, 6);
  await until('the lost node holds nothing', () => world.heldBy(nodeId(1)).length === 0);
  for (const object of [film, note]) await world.expectAllHere(object);
  const done = world.actions.filter(({ refusal }) => refusal === undefined);
  expect(done.every(({ action }) => action.kind === 'repair-pieces')).toBe(true);
});

test('what a node held that is no member any more is made again without anybody being charged', async () => {
  const world = await worldOf(7);
  const film = await world.put('film', { lengthBytes: 600_000 });
  world.setMembers([0, 2, 3, 4, 5, 6]);
  start(world, 0, 2, 3, 4, 5, 6);
  await until('it holds nothing', () => world.heldBy(nodeId(1)).length === 0);
  await world.expectAllHere(film);
  expect(new Set(world.actions.map(({ action }) => action.kind))).toEqual(new Set(['replace-holder']));
});

test('nothing of a silent holder moves while it has time to come back', async () => {
  const world = await worldOf(8);
  await world.put('film', { lengthBytes: 600_000 });
  world.setSilent(0, suspendRounds);
  world.setSilent(1, lostRounds);
  const before = world.heldBy(nodeId(0)).length;
  start(world, 0, 2, 3, 4, 5, 6, 7);
  await until('the lost one holds nothing', () => world.heldBy(nodeId(1)).length === 0);
  expect(world.heldBy(nodeId(0))).toHaveLength(before);
});

/** Nodes that may take a piece of the first segment, the first in line first: storage members of its shard that hold none. */
async function heirsOf(world: RepairWorld, object: ObjectId): Promise<readonly number[]> {
  const held = (await heldSegment(world.portsOf(0).chain, { object, segmentIndex: 0 }))!;
  const holders = new Set(held.holders.map(toHex));
  const free = holderOrder(world.epoch, held).filter(({ node }) => !holders.has(toHex(node)));
  return free.map(({ node }) => world.nodes.findIndex(({ id }) => toHex(id) === toHex(node)));
}

test('where the next in line does nothing, another one repairs in a later slot', async () => {
  const world = await worldOf(12);
  const film = await world.put('film');
  world.setSilent(1, lostRounds);
  const heirs = await heirsOf(world, film);
  expect(heirs.length).toBeGreaterThan(1);
  const last = heirs.at(-1)!;
  start(world, last);
  await until('it holds the piece', () =>
    world.heldBy(nodeId(last)).some(({ place }) => place.segmentIndex === 0 && place.pieceIndex === 1),
  );
});

test('whoever was not first drops what it made', async () => {
  const world = await worldOf(12);
  const film = await world.put('film');
  world.setSilent(1, lostRounds);
  const [first, second] = (await heirsOf(world, film)) as [number, number];
  const slow = world.lostPortsOf(first);
  // Its transactions come after all others'.
  const waiting: (() => Promise<unknown>)[] = [];
  const lost = new LostPieces(
    { ...slow, submit: async (action) => waiting.push(() => slow.submit(action)) },
    RULES,
  );
  running.push(lost);
  const place: Place = { object: film, segmentIndex: 0, pieceIndex: 1 };
  const held = (await heldSegment(slow.chain, place))!;
  const isHere = async (): Promise<boolean> =>
    (await world.nodes[first]!.log.stat(pieceKeyOf(held, 1))) !== undefined;
  await until('it has made the piece again', isHere);
  start(world, second);
  // Blocks tell everybody what changed hands.
  const hear = world.portsOf(first).holdings;
  hear.onMoved((moved) => lost.moved(moved));
  await until('another has it', () =>
    world.heldBy(nodeId(second)).some((held) => held.place.segmentIndex === 0),
  );
  for (const hand of waiting.splice(0)) await hand();
  await until('it is gone', async () => !(await isHere()));
  expect(world.actions.filter(({ index, refusal }) => index === first && refusal === undefined)).toEqual([]);
  await world.expectAllHere(film);
});

// ---- Lost by holders that answer -------------------------------------------------------------------------------

const AUDITORS = new Set([0, 1, 2, 3, 4, 5].map((index) => toHex(nodeId(index))));

/** An anchor says that node 1 failed to show leaf 0 of its piece, or node 1 says so itself. */
async function provenLoss(
  world: RepairWorld,
  object: ObjectId,
  kind: 'failed' | 'admitted',
): Promise<ProvenLoss> {
  const place: Place = { object, segmentIndex: 0, pieceIndex: 1 };
  const asked = { place, leafIndex: 0 };
  const base = {
    place,
    node: nodeId(1),
    round: ROUND,
    leafIndex: 0,
    auditors: AUDITORS,
    dueMs: 0,
    isConfirmed: false,
  };
  if (kind === 'admitted') {
    const { roots } = (await heldSegment(world.portsOf(0).chain, place))!;
    const admitted = { network: NETWORK, round: ROUND, node: nodeId(1), place, root: roots[1]! };
    return { ...base, proof: { kind, signature: signAdmission(admitted, signerOf('node 1')) } };
  }
  const nodes: readonly NodeFindings[] = [
    { node: nodeId(1), heldKib: 9, findings: [{ asked, verdict: 'failed' }] },
  ];
  const anchor = { ...resultTree(resultDigests(ROUND, nodes)), height: 9, auditors: [0], charged: [] };
  world.chain.memory.run((state) => putAnchor(state, ROUND, 0, anchor));
  const { index, path } = proveResult(ROUND, nodes, 0)!;
  return { ...base, proof: { kind, group: 0, result: { asked, index, path } } };
}

async function losePiece(world: RepairWorld, object: ObjectId): Promise<void> {
  const held = (await heldSegment(world.portsOf(0).chain, { object, segmentIndex: 0 }))!;
  expect(await world.nodes[1]!.log.remove([pieceKeyOf(held, 1)])).toBe(1);
}

for (const kind of ['failed', 'admitted'] as const) {
  test(`a piece that its holder has ${kind} to have goes to another, and nothing else of it does`, async () => {
    const world = await worldOf(6);
    const film = await world.put('film', { lengthBytes: 600_000 });
    const before = world.heldBy(nodeId(1)).length;
    await losePiece(world, film);
    const loss = await provenLoss(world, film, kind);
    for (const lost of start(world, 0, 2, 3, 4, 5)) lost.proven([loss], ROUND);
    await until('another holds it', () => world.heldBy(nodeId(1)).length < before);
    expect(world.heldBy(nodeId(1))).toHaveLength(before - 1);
    await world.expectAllHere(film);
    expect(world.actions.find(({ refusal }) => refusal === undefined)!.action.parameters).toMatchObject({
      loss: { kind },
    });
  });
}

test('a holder that shows by then what it could not show keeps it', async () => {
  const world = await worldOf(6);
  const film = await world.put('film', { lengthBytes: 600_000 });
  const lost = await world.put('lost', { lengthBytes: 600_000 });
  await losePiece(world, lost);
  const losses = [await provenLoss(world, film, 'admitted'), await provenLoss(world, lost, 'admitted')];
  for (const each of start(world, 0, 2, 3, 4, 5)) each.proven(losses, ROUND);
  const has = (object: ObjectId): boolean =>
    world
      .heldBy(nodeId(1))
      .some(({ place }) => toHex(place.object) === toHex(object) && place.segmentIndex === 0);
  await until('another holds what is lost', () => !has(lost));
  expect(has(film)).toBe(true);
});

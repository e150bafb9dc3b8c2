import { expect, test } from 'vitest';
import fc from 'fast-check';
import { equal, toHex } from '../../../src/base/bytes.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import { heldSegment, type HeldSegment, holderOrder } from '../../../src/node/repair/held-segment.ts';
import { ownShare, type RepairView } from '../../../src/node/repair/own-share.ts';
import { needsRepair, type Standing } from '../../../src/replication/repair.ts';
import { healthOf } from '../../../src/node/repair/own-share.ts';
import { nodeId } from '../../shards/objects.ts';
import { RepairWorld } from './repair-kit.ts';

const COUNT = 14;
const STANDINGS: readonly Standing[] = ['healthy', 'healthy', 'suspended', 'lost', 'leaving'];

async function segmentOf(world: RepairWorld): Promise<HeldSegment> {
  const film = await world.put('film');
  return (await heldSegment(world.portsOf(0).chain, { object: film, segmentIndex: 0 }))!;
}

const nodes: readonly NodeId[] = Array.from({ length: COUNT }, (_, index) => nodeId(index));

test('in every turn each missing piece is one node’s at most, that is well and holds none; and no other piece is anybody’s', async () => {
  const world = new RepairWorld(COUNT);
  const held = await segmentOf(world);
  const { epoch } = world;
  const able = new Set(holderOrder(epoch, held).map(({ node }) => toHex(node)));
  fc.assert(
    fc.property(fc.array(fc.nat(4), { minLength: COUNT, maxLength: COUNT }), fc.nat(50), (drawn, turn) => {
      const standings = new Map(nodes.map((node, index) => [toHex(node), STANDINGS[drawn[index]!]!]));
      const view: RepairView = { epoch, standings, losses: { at: () => undefined } };
      const health = healthOf(held, view);
      const taken = new Set<number>();
      for (const node of nodes) {
        const share = ownShare(held, view, node, turn);
        if (share === undefined) continue;
        expect(needsRepair(health)).toBe(true);
        expect(health.missing).toContain(share.pieceIndex);
        expect(taken.has(share.pieceIndex)).toBe(false);
        taken.add(share.pieceIndex);
        expect(standings.get(toHex(node))).toBe('healthy');
        expect(held.holders.some((holder) => equal(holder, node))).toBe(false);
        expect(able.has(toHex(node))).toBe(true);
      }
    }),
    { numRuns: 300 },
  );
});

test('every member that may take the piece has its turn', async () => {
  const world = new RepairWorld(COUNT);
  const held = await segmentOf(world);
  const { epoch } = world;
  const standings = new Map<string, Standing>([[toHex(held.holders[2]!), 'lost']]);
  const view: RepairView = { epoch, standings, losses: { at: () => undefined } };
  const free = holderOrder(epoch, held).filter(
    ({ node }) => !held.holders.some((holder) => equal(holder, node)),
  );
  expect(free.length).toBeGreaterThan(1);
  for (const [turn, { node }] of free.entries()) {
    expect(ownShare(held, view, node, turn)).toMatchObject({ pieceIndex: 2, cause: { kind: 'silent' } });
  }
});

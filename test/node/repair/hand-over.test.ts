import { afterEach, expect, test } from 'vitest';
import { HandOver } from '../../../src/node/repair/hand-over.ts';
import {
  encodeHandOver,
  HAND_OVER_SERVICE,
  handOverService,
} from '../../../src/node/repair/hand-over-service.ts';
import type { Place } from '../../../src/proofs/place.ts';
import { expectCodeAsync } from '../../helpers/expect-code.ts';
import { nodeId } from '../../shards/objects.ts';
import { RepairWorld, until } from './repair-kit.ts';

const running: HandOver[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((handOver) => handOver.stop()));
});

/** Twelve nodes that take pieces over when they are asked. */
function worldOf(): RepairWorld {
  const world = new RepairWorld(12);
  world.registerNodes();
  for (const [index, { memory }] of world.nodes.entries())
    memory.serve(handOverService(world.portsOf(index)));
  return world;
}

test('a node that was retired gives all that it holds to others, who copy it from there and from nowhere else', async () => {
  const world = worldOf();
  const film = await world.put('film', { lengthBytes: 2_500_000 });
  const note = await world.put('note', { lengthBytes: 900, isInline: true });
  world.retire(1);
  running.push(new HandOver(world.lostPortsOf(1)));
  await until('it holds nothing', () => world.heldBy(nodeId(1)).length === 0);
  for (const object of [film, note]) await world.expectAllHere(object);
  expect(world.actions.map(({ index, refusal }) => [index, refusal])).toEqual(
    world.actions.map(() => [1, undefined]),
  );
  for (const [index, { memory }] of world.nodes.entries()) {
    if (index !== 1) expect(memory.callsServed.get('get-piece') ?? 0, `pieces read of node ${index}`).toBe(0);
  }
});

test('a node that was not retired keeps everything', async () => {
  const world = worldOf();
  await world.put('film');
  world.retire(2);
  const before = world.heldBy(nodeId(1)).length;
  running.push(new HandOver(world.lostPortsOf(1)), new HandOver(world.lostPortsOf(2)));
  await until('the other one holds nothing', () => world.heldBy(nodeId(2)).length === 0);
  expect(world.heldBy(nodeId(1))).toHaveLength(before);
});

test('nobody takes over what the chain does not name the asker for, nor what it may not hold', async () => {
  const world = worldOf();
  const film = await world.put('film');
  const place: Place = { object: film, segmentIndex: 0, pieceIndex: 1 };
  const ask = (from: number, to: number): Promise<unknown> =>
    world.nodes[from]!.memory.call(nodeId(to), HAND_OVER_SERVICE, { header: encodeHandOver(place) });
  await expectCodeAsync('UNAUTHORIZED', ask(2, 5));
  await expectCodeAsync('INVALID_ARGUMENT', ask(1, 3));
  await expectCodeAsync(
    'INVALID_ENCODING',
    world.nodes[1]!.memory.call(nodeId(5), HAND_OVER_SERVICE, { header: new Uint8Array([1, 2, 3]) }),
  );
});

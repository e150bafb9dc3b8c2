import { afterEach, expect, test } from 'vitest';
import { fromHex } from '../../../src/base/bytes.ts';
import type { ObjectId } from '../../../src/base/ids.ts';
import { OwnPlaces } from '../../../src/node/repair/own-places.ts';
import { COPY_SEGMENT, type Place } from '../../../src/proofs/place.ts';
import { objectOf, putObject, putSegments, segmentsOf } from '../../../src/shards/object-record.ts';
import { nodeId } from '../../shards/objects.ts';
import { RepairWorld, until } from './repair-kit.ts';

const running: OwnPlaces[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((own) => own.stop()));
});

function start(world: RepairWorld, index: number): OwnPlaces {
  const own = new OwnPlaces(world.portsOf(index));
  running.push(own);
  return own;
}

const placeOf = (object: ObjectId, segmentIndex: number, pieceIndex: number): Place => ({
  object,
  segmentIndex,
  pieceIndex,
});

test('a node whose disk was emptied gets back all that the chain says it holds, to the byte and with what belongs to it', async () => {
  const world = new RepairWorld(5);
  await world.put('film', { lengthBytes: 2_500_000 });
  await world.put('note', { lengthBytes: 900, isInline: true });
  await world.put('whole copies', { code: { k: 1, n: 3 }, lengthBytes: 70_000 });
  for (const index of [0, 3]) {
    const before = await world.entriesOf(index);
    expect(before.size).toBeGreaterThan(2);
    await world.wipe(index);
    start(world, index);
    await until('everything is back', async () => (await world.entriesOf(index)).size >= before.size);
    expect(await world.entriesOf(index)).toEqual(before);
  }
});

test('a new holder that nobody has brought its piece fetches it itself, after the grace', async () => {
  const world = new RepairWorld(5);
  const object = await world.put('film');
  const own = start(world, 4);
  world.change(() => {
    world.chain.memory.run((state) => {
      const [segment] = segmentsOf(state, object, 0);
      putSegments(state, object, 0, [{ ...segment!, holders: segment!.holders.with(1, nodeId(4)) }]);
    });
  });
  own.gained(placeOf(object, 0, 1), 50);
  await until('the piece is there', async () => (await world.entriesOf(4)).size === 1);
  const theirs = await world.entriesOf(1);
  for (const [key, content] of await world.entriesOf(4)) expect(theirs.get(key)).toBe(content);
});

test('what rotted is replaced by what it was', async () => {
  const world = new RepairWorld(4);
  const object = await world.put('film');
  const before = await world.entriesOf(2);
  const { log } = world.nodes[2]!;
  for (const key of before.keys()) log.rot(fromHex(key));
  await log.scrub();
  const own = start(world, 2);
  own.lacking(placeOf(object, 0, 2));
  own.lacking(placeOf(object, COPY_SEGMENT, 2));
  await until('nothing is damaged', async () => {
    const { damaged } = await log.scrub();
    return damaged.length === 0 && (await world.entriesOf(2).catch(() => new Map())).size === before.size;
  });
  expect(await world.entriesOf(2)).toEqual(before);
});

test('what is not to be had now is got as soon as enough others are back', async () => {
  const world = new RepairWorld(4);
  await world.put('film');
  const before = await world.entriesOf(0);
  await world.wipe(0);
  for (const index of [1, 2, 3]) world.nodes[index]!.memory.faults.isDead = true;
  start(world, 0);
  await until('it was tried in vain', () => world.lines.some((line) => line.includes('cannot get back')));
  for (const index of [1, 2]) world.nodes[index]!.memory.faults.isDead = false;
  await until('everything is back', async () => (await world.entriesOf(0)).size === before.size);
});

test('a piece is rebuilt from nodes that no record names, where those named do not suffice', async () => {
  const world = new RepairWorld(6);
  const object = await world.put('film', { holders: [0, 1, 2, 3] });
  const before = await world.entriesOf(0);
  // By now the records name others, who have nothing; those before still have theirs.
  world.change(() => {
    world.chain.memory.run((state) => {
      const [segment] = segmentsOf(state, object, 0);
      const holders = [nodeId(0), nodeId(4), nodeId(5), nodeId(3)];
      putSegments(state, object, 0, [{ ...segment!, holders }]);
    });
  });
  world.nodes[3]!.memory.faults.isDead = true;
  await world.wipe(0);
  start(world, 0);
  await until('everything is back', async () => (await world.entriesOf(0)).size === before.size);
  expect(await world.entriesOf(0)).toEqual(before);
});

test('a node that gives wrong bytes is passed over, and nothing wrong is stored', async () => {
  const world = new RepairWorld(5);
  await world.put('film', { code: { k: 2, n: 5 } });
  const before = await world.entriesOf(0);
  await world.wipe(0);
  for (const index of [1, 2]) {
    world.nodes[index]!.memory.faults.lie = (service, reply) =>
      service === 'get-piece' ? { ...reply, body: reply.body.map((byte) => byte ^ 1) } : reply;
  }
  start(world, 0);
  await until('everything is back', async () => (await world.entriesOf(0)).size === before.size);
  expect(await world.entriesOf(0)).toEqual(before);
  expect(world.lines.some((line) => line.includes('not what the chain says'))).toBe(true);
});

test('nothing is fetched that the chain gives to another by then, or whose object is gone', async () => {
  const world = new RepairWorld(5);
  const kept = await world.put('kept');
  const moved = await world.put('moved');
  const gone = await world.put('gone');
  await world.wipe(0);
  const own = start(world, 0);
  for (const object of [moved, gone]) own.gained(placeOf(object, 0, 0), 300);
  world.chain.memory.run((state) => {
    const [segment] = segmentsOf(state, moved, 0);
    putSegments(state, moved, 0, [{ ...segment!, holders: segment!.holders.with(0, nodeId(4)) }]);
    for (const object of [moved, gone]) {
      const record = objectOf(state, object)!;
      const holders = record.manifest.holders.map((holder, at) => (at === 0 ? nodeId(4) : holder));
      putObject(state, object, {
        ...record,
        manifest: { ...record.manifest, holders },
        isLeaving: object === gone,
      });
    }
  });
  await until('what is still its own is back', async () => (await world.entriesOf(0)).size > 0);
  await until('nothing waits', () => own.waiting === 0);
  const objects = new Set([...(await world.entriesOf(0)).keys()].map((key) => key.slice(2, 66)));
  const hex = (id: ObjectId): string => Buffer.from(id).toString('hex');
  expect(objects.has(hex(kept))).toBe(true);
  expect(objects.has(hex(moved)) || objects.has(hex(gone))).toBe(false);
});

test('it stops at once, also while it waits for others', async () => {
  const world = new RepairWorld(4);
  await world.put('film');
  await world.wipe(0);
  for (const index of [1, 2, 3]) world.nodes[index]!.memory.faults.isStalled = true;
  const own = start(world, 0);
  await until('it asks', () => world.nodes.slice(1).some(({ memory }) => memory.callsServed.size > 0));
  await own.stop();
});

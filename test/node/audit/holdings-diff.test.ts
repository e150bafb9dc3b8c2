import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import { COPIES, type Holding, holdingChanges } from '../../../src/node/audit/holdings-diff.ts';
import { COPY_SEGMENT, placeBytes } from '../../../src/proofs/place.ts';
import { objectOf, putObject, putSegments, segmentsOf } from '../../../src/shards/object-record.ts';
import type { Change } from '../../../src/shards/view.ts';
import { Memory } from '../../shards/memory.ts';
import { addition, idOf, nodeId, Objects, registration, shapeOf } from '../../shards/objects.ts';
import { randomFrom } from '../chain/store-kit.ts';
import { happen, heldIn, idAt, Ledger, NODES, putNew } from './holdings-kit.ts';

const sourceOf = (memory: Memory) => ({
  load: async (keys: readonly Change['key'][]) => keys.map((key) => memory.read(key)),
});

const textOf = ({ node, place, weight }: Holding): string =>
  `${toHex(node)} ${toHex(placeBytes(place))} ${weight}`;

/** Everything in the twin, as text. */
const textsOf = (memory: Memory): readonly string[] =>
  [...heldIn(memory)]
    .flatMap(([node, held]) =>
      held.map(({ place, weight }) => `${node} ${toHex(placeBytes(place))} ${weight}`),
    )
    .toSorted();

/** What blocks add up to. */
class Sum {
  readonly held = new Set<string>();
  readonly memory = new Memory();

  async add(changes: readonly Change[]): Promise<void> {
    const all = await holdingChanges(changes, sourceOf(this.memory));
    this.memory.keep(changes);
    for (const { lost } of all) {
      for (const holding of lost)
        expect(this.held.delete(textOf(holding)), 'what is lost was held').toBe(true);
    }
    for (const { gained } of all) {
      for (const holding of gained) {
        expect(this.held.has(textOf(holding)), 'what is gained was not held').toBe(false);
        this.held.add(textOf(holding));
      }
    }
  }
}

test('the changes of blocks add up to what a look at all records finds, whatever happens to objects', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), async (seed) => {
      const ledger = new Ledger(randomFrom(seed));
      const sum = new Sum();
      await sum.add(ledger.founding);
      for (let block = 0; block < 12; block++) {
        await sum.add(
          ledger.changes((state) => {
            for (let count = 0; count < 1 + (block % 5); count++) happen(state, ledger.random);
          }),
        );
        expect([...sum.held].toSorted()).toEqual(textsOf(ledger.memory));
      }
    }),
    { numRuns: 6 },
  );
});

test('segments that stay as they are mean other pieces when their object comes back longer in one block', async () => {
  const ledger = new Ledger(randomFrom(1));
  const shape = shapeOf(6, { code: { k: 2, n: 64 } });
  const segments = Array.from({ length: 6 }, (_, index) => ({
    salt: new Uint8Array(16).fill(index),
    roots: Array.from({ length: 64 }, () => new Uint8Array(32) as never),
    holders: Array.from({ length: 64 }, (_each, piece) => NODES[piece % 7]!),
  }));
  const sum = new Sum();
  await sum.add(ledger.founding);
  await sum.add(
    ledger.changes((state) =>
      putNew(state, 0, { ...shape, lengthBytes: shape.lengthBytes - 5000 }, segments),
    ),
  );
  const changes = ledger.changes((state) => putNew(state, 0, shape, segments));
  expect(changes.map(({ key }) => key.kind)).toEqual(['object']);
  await sum.add(changes);
  expect([...sum.held].toSorted()).toEqual(textsOf(ledger.memory));
});

test('a piece that changes hands is lost by one and gained by the other, and nothing else happens', async () => {
  const ledger = new Ledger(randomFrom(2), (state) => {
    const shape = shapeOf(2);
    const segment = {
      salt: new Uint8Array(16),
      roots: Array.from({ length: 4 }, () => new Uint8Array(32) as never),
      holders: NODES.slice(0, 4),
    };
    putNew(state, 1, shape, [segment, segment]);
  });
  const before = new Memory();
  before.keep(ledger.founding);
  const changes = ledger.changes((state) => {
    const [first, second] = segmentsOf(state, idAt(1), 0);
    putSegments(state, idAt(1), 0, [first!, { ...second!, holders: second!.holders.with(2, NODES[6]!) }]);
    const object = objectOf(state, idAt(1))!;
    const { manifest } = object;
    putObject(state, idAt(1), {
      ...object,
      manifest: { ...manifest, holders: [...manifest.holders, NODES[5]!] },
    });
  });
  const piece = { object: idAt(1), segmentIndex: 1, pieceIndex: 2 };
  const copy = { object: idAt(1), segmentIndex: COPY_SEGMENT, pieceIndex: 3 };
  const all = await holdingChanges(changes, sourceOf(before));
  expect(all.map(({ part }) => part)).toEqual([COPIES, 0]);
  expect(all.flatMap(({ lost }) => lost)).toMatchObject([{ node: NODES[2], place: piece }]);
  expect(all.flatMap(({ gained }) => gained)).toMatchObject([
    { node: NODES[5], place: copy, weight: 2 },
    { node: NODES[6], place: piece },
  ]);
});

test('what operations of the ledger write is followed: registration, more segments, deletion', async () => {
  const objects = new Objects();
  const sum = new Sum();
  const kept: Change[][] = [];
  const keep = objects.memory.keep.bind(objects.memory);
  objects.memory.keep = (changes) => {
    kept.push([...changes]);
    keep(changes);
  };
  const shape = shapeOf(5);
  const settle = async (): Promise<void> => {
    for (const changes of kept.splice(0)) await sum.add(changes);
    expect([...sum.held].toSorted()).toEqual(textsOf(objects.memory));
  };
  expect(objects.do('alice', 'register-object', registration('alice', 'film', shape, 2))).toBeUndefined();
  await settle();
  expect(sum.held.size).toBe(2 * 4 + objects.object(idOf('alice', 'film'))!.manifest.holders.length);
  expect(objects.do('alice', 'add-segments', addition('alice', 'film', shape, 2, 3))).toBeUndefined();
  await settle();
  expect([...sum.held].filter((text) => text.startsWith(toHex(nodeId(0)))).length).toBeGreaterThan(3);
  expect(objects.do('alice', 'delete-object', { object: idOf('alice', 'film') })).toBeUndefined();
  await settle();
  expect(sum.held.size).toBe(0);
});

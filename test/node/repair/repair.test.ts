import { afterEach, expect, test } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import type { Store } from '../../../src/client/types.ts';
import { patterned } from '../../suites/network.ts';
import { HealingNetwork, placesOf, until } from './healing.ts';

let network: HealingNetwork | undefined;
afterEach(async () => {
  await network?.stop();
});

interface Stored {
  readonly uri: string;
  readonly bytes: Uint8Array;
}

async function put(
  store: Store,
  lengthBytes: number,
  code: { readonly k: number; readonly n: number },
): Promise<Stored> {
  const bytes = patterned(lengthBytes);
  const options = { code, segmentBytes: 1024 ** 2, allowSameOperator: true };
  const { uri, complete } = await store.put(bytes, options);
  await complete;
  return { uri, bytes };
}

async function expectAll(store: Store, stored: readonly Stored[]): Promise<void> {
  for (const { uri, bytes } of stored) {
    const read = await (await store.get(uri)).bytes();
    expect(Buffer.compare(read, bytes), `bytes of ${uri.slice(0, 30)}`).toBe(0);
  }
}

/** Entries in the log of a node that runs. */
async function entriesAt(store: Store, node: NodeId): Promise<number> {
  const { members } = await store.network({ probe: true });
  return members.find((member) => member.node === toHex(node))?.status?.entries ?? 0;
}

test('a network of processes heals by itself: an emptied disk fills up again, and what a dead node held goes to others', async () => {
  network = await HealingNetwork.start(5);
  const store = await network.store('writer');
  const chain = await store.chain();
  const nodes = await network.nodeIds();
  const stored = [
    await put(store, 6_000_000, { k: 2, n: 4 }),
    await put(store, 150_000, { k: 2, n: 3 }),
    await put(store, 60_000, { k: 1, n: 3 }),
    await put(store, 500, { k: 2, n: 3 }),
  ];

  // The disk of the first is emptied while it is off for a moment.
  await network.kill(0);
  const { objects } = await network.contentOf(0);
  const heldBy = (node: NodeId): Promise<number> => placesOf(chain, objects, node);
  await until('the chain names it', async () => (await heldBy(nodes[0]!)) > 0);
  await network.removePieces(0);
  await network.restart(0);
  // On a slow machine others have taken some of it over by then.
  await until('it has what the chain says it holds', async () => {
    return (await entriesAt(store, nodes[0]!)) >= (await heldBy(nodes[0]!));
  });

  // The second is gone for good.
  await network.kill(1);
  const gone = await network.contentOf(1);
  await network.removeFolder(1);
  const all = new Map([...objects, ...gone.objects].map((object) => [toHex(object), object]));
  const known = [...all.values()];
  expect(await placesOf(chain, known, nodes[1]!)).toBeGreaterThan(0);
  await until('the chain names it for nothing any more', async () => {
    return (await placesOf(chain, known, nodes[1]!)) === 0;
  });

  // As many more may go as the code bears, and who reads knows nothing of the past.
  await network.kill(2);
  await expectAll(await network.store('reader'), stored);
}, 300_000);

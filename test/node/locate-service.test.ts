import { afterEach, beforeEach, expect, test } from 'vitest';
import { toHex, toUtf8 } from '../../src/base/bytes.ts';
import type { Digest, PieceRoot } from '../../src/base/ids.ts';
import { OBJECT_LOCATIONS_MAX } from '../../src/base/limits.ts';
import { encodeManifest, encodePage } from '../../src/replication/manifest.ts';
import {
  decodeLocations,
  encodeLocateRecord,
  encodeRemoveObject,
  SERVICES,
} from '../../src/replication/messages.ts';
import { signRemove } from '../../src/replication/ticket.ts';
import { nativeSha256 } from '../../src/runtime/crypto.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';
import {
  openTestKeeper,
  ownerFrom,
  putRecordHeader,
  type TestKeeper,
  type TestOwner,
} from '../helpers/keeper.ts';
import { digestFrom } from '../helpers/records.ts';

let node: TestKeeper;
let alice: TestOwner;
let stored: string[];
let removed: string[];
let known: readonly Uint8Array[];

beforeEach(async () => {
  [stored, removed, known] = [[], [], []];
  node = await openTestKeeper({
    publicObjects: {
      stored: (digest) => void stored.push(toHex(digest)),
      removed: (digests) => void removed.push(...digests.map(toHex)),
      locate: async () => known,
    },
  });
  alice = ownerFrom('alice', node.epoch);
});
afterEach(() => node.close());

function manifest(keyCheck: Uint8Array | undefined): Uint8Array {
  return encodeManifest({
    network: node.epoch.network,
    owner: alice.owner,
    salt: alice.salt,
    lengthBytes: 5,
    code: { k: 2, n: 4 },
    segmentCells: 256,
    keyCheck,
    content: {
      kind: 'inline',
      salt: new Uint8Array(16),
      bytes: new Uint8Array(keyCheck === undefined ? 5 : 21),
    },
  });
}

async function put(record: Uint8Array): Promise<string> {
  await node.call(SERVICES.putRecord, putRecordHeader(node, alice, record), record);
  return toHex(nativeSha256(record));
}

test('only the manifest of a public object is announced: none with a key, no page, nothing refused', async () => {
  const digest = await put(manifest(undefined));
  await put(manifest(new Uint8Array(16)));
  const [root, holder] = [digestFrom<PieceRoot>('root'), node.node];
  const segment = { salt: new Uint8Array(16), roots: [root], holders: [holder], confirmations: [] };
  await put(encodePage({ object: alice.object, firstSegment: 0, segments: [segment] }));
  const mallory = ownerFrom('mallory', node.epoch);
  const record = manifest(undefined);
  await expectCodeAsync(
    'UNAUTHORIZED',
    node.call(SERVICES.putRecord, putRecordHeader(node, mallory, record), record),
  );
  expect(stored).toEqual([digest]);
});

test('a removal by the owner withdraws it', async () => {
  const digest = await put(manifest(undefined));
  const { owner, salt, object, signer } = alice;
  const ticket = signRemove(node.epoch.network, object, signer);
  await node.call(SERVICES.removeObject, encodeRemoveObject({ owner, objectSalt: salt, ticket }));
  expect(removed).toEqual([digest]);
});

test('locate-record answers with what is known, no more than a reply may hold', async () => {
  const digest = digestFrom<Digest>('some manifest');
  const ask = async () =>
    decodeLocations((await node.call(SERVICES.locateRecord, encodeLocateRecord(digest))).header);
  expect(await ask()).toEqual([]);
  known = Array.from({ length: OBJECT_LOCATIONS_MAX + 1 }, (_, index) => toUtf8(`record ${index}`));
  expect(await ask()).toEqual(known.slice(0, OBJECT_LOCATIONS_MAX));
});

test('locate-record refuses what is no question, and too many of them', async () => {
  for (const header of [
    new Uint8Array(0),
    toUtf8('rubbish'),
    encodeLocateRecord(new Uint8Array(31) as Digest),
  ])
    await expectCodeAsync('INVALID_ENCODING', node.call(SERVICES.locateRecord, header));
  const header = encodeLocateRecord(digestFrom<Digest>('some manifest'));
  const flood = Array.from({ length: 50 }, () => node.call(SERVICES.locateRecord, header));
  await expectCodeAsync('BUSY', Promise.all(flood));
  await Promise.allSettled(flood);
});
